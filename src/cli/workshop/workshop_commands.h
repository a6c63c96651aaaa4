#pragma once

#include <memory>
#include <string>

#include "cli/runtime/command.h"

/// The commands that only edgeclip has, one file each.
namespace edgeclip {

std::unique_ptr<Command> prepare_command();
std::unique_ptr<Command> synthesize_command();
std::unique_ptr<Command> import_command();
std::unique_ptr<Command> train_command();
std::unique_ptr<Command> adapters_command();
std::unique_ptr<Command> merge_command();
std::unique_ptr<Command> profile_command();
std::unique_ptr<Command> prune_command();
std::unique_ptr<Command> export_command();
std::unique_ptr<Command> report_command();
std::unique_ptr<Command> compress_report_command();

/// A checkpoint folder as an encoder: LibTorch's modules, the adapter included (load_checkpoint()).
std::unique_ptr<Encoder> open_checkpoint_encoder(const std::string& directory, const std::string& adapter);

/// Versions of the libraries that only edgeclip has.
Json workshop_libraries();

/// Prepares LibTorch for thread_count() threads and this CPU's BLAS kernels, and warns if its BLAS is the
/// slow one.  Call once, before any tensor.
void start_workshop();

}  // namespace edgeclip
