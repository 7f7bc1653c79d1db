/* The native file SAM2_BUILTIN_FILE as read-only data. Its tensors are used where they are, hence the alignment. */
    .section .rodata, "a"
    .balign 4096
    .globl sam2_builtin_begin
    .hidden sam2_builtin_begin
    .globl sam2_builtin_end
    .hidden sam2_builtin_end
sam2_builtin_begin:
    .incbin SAM2_BUILTIN_FILE
sam2_builtin_end:
    .byte 0
#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
