//! Join two CSV files by a column that both have, and write a third.
//!
//!   join COLUMN LEFT RIGHT OUTPUT
//!
//! This is `join.c` in Zig, with Zig's own library and no C library: the same arguments, rows,
//! messages and exit codes. Only what the system says is told by Zig's names for it.

const std = @import("std");
const Io = std.Io;
const Allocator = std.mem.Allocator;

const Row = []const []const u8;
const Refused = error{Refused};

/// Write a message that says what is wrong with a file.
fn refuse(path: []const u8, line: usize, comptime problem: []const u8, details: anytype) Refused {
    std.debug.print("join: {s}", .{path});
    if (line > 0) std.debug.print(":{d}", .{line});
    std.debug.print(": " ++ problem ++ "\n", details);
    return error.Refused;
}

/// A path as WASI wants it: a folder that was given to the program, and the way from there.
const Place = struct {
    folder: Io.Dir,
    way: []const u8,

    /// Find the longest of the given folders that the path leads through. The C library does this
    /// for C; Zig leaves it to the program.
    fn of(path: []const u8, given: std.process.Preopens) Place {
        var place: Place = .{ .folder = .cwd(), .way = path };
        if (@TypeOf(given.map) == void) return place; // not built for WASI
        for (given.map.keys()) |folder| {
            const root = std.mem.trimEnd(u8, folder, "/");
            if (!std.mem.startsWith(u8, path, root)) continue;
            const way = path[root.len..];
            if (way.len < 2 or way[0] != '/' or way.len > place.way.len) continue;
            switch (given.get(folder).?) {
                .dir => |dir| place = .{ .folder = dir, .way = way[1..] },
                .file => {},
            }
        }
        return place;
    }
};

const Input = struct {
    path: []const u8,
    reader: Io.File.Reader,
    line: usize = 1, // where the last byte stood
    last: ?u8 = null, // that byte, and null at the end
    header: Row = &.{},
    key: usize = 0, // which field is the column

    const buffer_bytes = 64 * 1024;

    fn open(arena: Allocator, io: Io, place: Place, path: []const u8, column: []const u8) !Input {
        const file = place.folder.openFile(io, place.way, .{}) catch |err|
            return refuse(path, 0, "{t}", .{err});
        const buffer = try arena.alloc(u8, buffer_bytes);
        var in: Input = .{ .path = path, .reader = file.reader(io, buffer) };
        in.header = try in.row(arena) orelse
            return refuse(path, 0, "the file is empty, and has not even a header", .{});
        in.key = for (in.header, 0..) |name, index| {
            if (std.mem.eql(u8, name, column)) break index;
        } else return refuse(path, 1, "there is no such column", .{});
        return in;
    }

    fn next(in: *Input) Refused!?u8 {
        const broke = in.last == '\n';
        in.last = in.reader.interface.takeByte() catch |err| switch (err) {
            error.EndOfStream => null,
            error.ReadFailed => return refuse(in.path, 0, "{t}", .{in.reader.err.?}),
        };
        if (broke and in.last != null) in.line += 1;
        return in.last;
    }

    /// Read a row; null at the end of the file.
    fn row(in: *Input, arena: Allocator) !?Row {
        if (try in.next() == null) return null;
        const began = in.line;
        var fields: std.ArrayList([]const u8) = .empty;
        try fields.append(arena, try in.field(arena));
        while (in.last == ',') {
            _ = try in.next();
            try fields.append(arena, try in.field(arena));
        }
        if (in.header.len > 0 and fields.items.len != in.header.len)
            return refuse(in.path, began, "this row has {d} fields, and the header {d}", .{
                fields.items.len, in.header.len,
            });
        return fields.items;
    }

    /// Read a field whose first byte was read, and the byte behind it: a comma, a line feed, or
    /// the end.
    fn field(in: *Input, arena: Allocator) ![]const u8 {
        var text: std.ArrayList(u8) = .empty;
        if (in.last == '"') {
            try in.quoted(arena, &text);
        } else {
            while (in.last) |byte| : (_ = try in.next()) {
                if (isSpecial(byte)) break;
                try text.append(arena, byte);
            }
            if (in.last == '"')
                return in.wrong("a quote inside a field that begins without one");
        }
        if (in.last == '\r' and try in.next() != '\n')
            return in.wrong("a carriage return without a line feed");
        if (in.last != null and in.last != ',' and in.last != '\n')
            return in.wrong("something between a closing quote and the end of its field");
        return text.items;
    }

    /// Read the rest of a field in quotes, and the byte behind it.
    fn quoted(in: *Input, arena: Allocator, text: *std.ArrayList(u8)) !void {
        const began = in.line;
        while (try in.next()) |byte| {
            if (byte == '"' and try in.next() != '"') return;
            try text.append(arena, byte);
        }
        return refuse(in.path, began, "a quote is opened here and never closed", .{});
    }

    fn wrong(in: *const Input, comptime problem: []const u8) Refused {
        return refuse(in.path, in.line, problem, .{});
    }
};

fn isSpecial(byte: u8) bool {
    return std.mem.indexOfScalar(u8, ",\"\r\n", byte) != null;
}

fn writeField(out: *Io.Writer, text: []const u8) !void {
    if (std.mem.indexOfAny(u8, text, ",\"\r\n") == null) return out.writeAll(text);
    try out.writeByte('"');
    for (text) |byte| {
        if (byte == '"') try out.writeByte('"');
        try out.writeByte(byte);
    }
    try out.writeByte('"');
}

/// Write the fields of the left row, and those of the right one without the column.
fn writeRow(out: *Io.Writer, left: Row, right: Row, key: usize) !void {
    for (left, 0..) |text, index| {
        if (index > 0) try out.writeByte(',');
        try writeField(out, text);
    }
    for (right, 0..) |text, index| {
        if (index == key) continue;
        try out.writeByte(',');
        try writeField(out, text);
    }
    try out.writeAll("\r\n");
}

/// Write all rows, and give how many.
fn join(arena: Allocator, left: *Input, right: *Input, out: *Io.Writer) !usize {
    var table: std.StringHashMapUnmanaged(std.ArrayList(Row)) = .empty;
    while (try right.row(arena)) |row| {
        const entry = try table.getOrPutValue(arena, row[right.key], .empty);
        try entry.value_ptr.append(arena, row);
    }
    var count: usize = 0;
    var passing: std.heap.ArenaAllocator = .init(arena);
    try writeRow(out, left.header, right.header, right.key);
    while (try left.row(passing.allocator())) |row| : (_ = passing.reset(.retain_capacity)) {
        const others = table.get(row[left.key]) orelse continue;
        for (others.items) |other| try writeRow(out, row, other, right.key);
        count += others.items.len;
    }
    return count;
}

fn run(init: std.process.Init, arguments: []const [:0]const u8) !void {
    const arena = init.arena.allocator();
    const io = init.io;
    const column, const path = .{ arguments[1], arguments[4] };
    var inputs: [2]Input = undefined;
    for (&inputs, arguments[2..4]) |*input, name|
        input.* = try .open(arena, io, .of(name, init.preopens), name, column);

    const place: Place = .of(path, init.preopens);
    const file = place.folder.createFile(io, place.way, .{}) catch |err|
        return refuse(path, 0, "{t}", .{err});
    errdefer place.folder.deleteFile(io, place.way) catch {};
    var writer = file.writer(io, try arena.alloc(u8, Input.buffer_bytes));
    const rows = join(arena, &inputs[0], &inputs[1], &writer.interface) catch |err| switch (err) {
        error.WriteFailed => return refuse(path, 0, "{t}", .{writer.err.?}),
        else => return err,
    };
    writer.interface.flush() catch return refuse(path, 0, "{t}", .{writer.err.?});
    file.close(io);

    var line: [32]u8 = undefined;
    try Io.File.stdout().writeStreamingAll(io, try std.fmt.bufPrint(&line, "{d} rows\n", .{rows}));
}

pub fn main(init: std.process.Init) !u8 {
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    if (arguments.len != 5) {
        std.debug.print("usage: join COLUMN LEFT RIGHT OUTPUT\n", .{});
        return 2;
    }
    run(init, arguments) catch |err| {
        if (err != error.Refused) std.debug.print("join: {t}\n", .{err});
        return 1;
    };
    return 0;
}
