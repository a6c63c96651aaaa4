#pragma once

namespace edgeclip {

/// Removes what lies at path: a file, a link, or a folder with all below it.  Asks for no memory, so that it
/// serves where there is none left and in a signal handler; takes one descriptor per level of folders.  False
/// if something is left (somebody else put it there meanwhile, or it may not be removed).
bool remove_tree(const char* path) noexcept;

}  // namespace edgeclip
