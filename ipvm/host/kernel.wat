;; The kernel of one invocation: a memory that holds the open blocks, and the way to wait for the host.
;; The functions of a stub (see `ipvm.host.companions`) are put in at its end: it is that of the first
;; guest.
;;
;; It runs no logic of its own. Every guest has a binding (binding.wat) that works on this memory; the
;; host reads and writes it only while the guest is suspended or inside a host call. Its size never
;; changes, so an address in it stays valid for the life of the store.
;;
;;          0  request: eight u64 words, of which the last is the number of the calling guest
;;         64  reply: eight u64 words
;;        128  u32 number of blocks    132  u32 end of the last block    136  u32 end of the heap
;;        140  u32 most blocks         144  u32 1 if whoever meets these bounds has to wait, else 0
;;        256  CID given by the guest (160 bytes)      512  CID or digest for the guest (160 bytes)
;;        768  name given by the guest (1024 bytes)   1792  handles given by the guest (256 u32)
;;       2800  table of blocks: handle n at n * 16, as u32 address, u32 length, u64 codec, up to 80
;;       4096  heap
;; 1056964608  table of blocks: the handles after 80, handle n at n * 16
;;
;; What a call with few small blocks touches lies side by side.
(module
  (memory (export "memory") 16384 16384)
  (table (export "wait") 1 1 funcref)
  (type $operation (func (param i32) (result i32)))
  (func (export "wait_for") (type $operation)
    (call_indirect (type $operation) (local.get 0) (i32.const 0))))
