// Holds the precompiled header of the tests that need no LibTorch, which are compiled without optimization.
