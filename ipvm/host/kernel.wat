;; The kernel of one invocation: a memory that holds the open blocks, and the way out to the host.
;;
;; It runs no logic of its own. Every guest has a binding (binding.wat) that works on this memory; the
;; host reads and writes it only while the guest is suspended or inside a host call. Its size never
;; changes, so an address in it stays valid for the life of the store.
;;
;;        0  request: eight u64 words, of which the last is the number of the calling guest
;;       64  reply: eight u64 words
;;      128  u32 number of blocks    132  u32 end of the last block    136  u32 end of the heap
;;      256  CID given by the guest (160 bytes)      512  CID or digest for the guest (160 bytes)
;;      768  name given by the guest (1024 bytes)   1792  handles given by the guest (256 u32)
;;     2800  table of blocks: handle n at n * 16, as u32 address, u32 length, u64 codec
;; 16781312  message given by the guest (65536 bytes)
;; 16846848  heap
;;
;; What a call with few small blocks touches lies in two pages.
(module
  (import "host" "now" (func $now (param i32) (result i32)))
  (memory (export "memory") 16384 16384)
  (table (export "wait") 1 1 funcref)
  (type $operation (func (param i32) (result i32)))
  (export "now" (func $now))
  (func (export "wait_for") (type $operation)
    (call_indirect (type $operation) (local.get 0) (i32.const 0))))
