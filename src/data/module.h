#pragma once

#include <string>

/// Modules: shared libraries of ours that wrap a third-party library which must stay out of the program's own
/// symbols or start-up.  Each offers one C function that returns its table (data/<name>_module/<name>_api.h).
namespace edgeclip {

enum class ModuleScope {
  kShared,   ///< the module uses the program's copy of any symbol both have
  kOwnFirst  ///< the module and its libraries prefer their own copies
};

/// The symbol of libedgeclip_<name>.so, looked for in $EDGECLIP_MODULE_PATH, beside the shared library that
/// this code is part of (edgeclip/), beside the program (../lib/edgeclip, ../lib) and where it was installed.
/// Never unloaded.  Throws MachineFault: "<needed_for>: needs the <name> module ...".
void* load_module(const std::string& name, const char* symbol, ModuleScope scope,
                  const std::string& needed_for, const std::string& packages);

}  // namespace edgeclip
