// Holds the precompiled header of LibTorch (about 15 s to compile), shared by every [T] target.
