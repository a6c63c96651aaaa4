// What follows, up to simd/end.h, is compiled for AVX2 with AVX-VNNI, whatever the rest of the file is compiled
// for.  All other headers come before: nothing of the standard library may be compiled for a level that a machine
// may lack.
// No include guard: a file may have several such regions.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif
