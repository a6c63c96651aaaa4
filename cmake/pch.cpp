// Holds the precompiled header of the targets that need no LibTorch: JSON and the log take most of the time that most sources
// compile.
