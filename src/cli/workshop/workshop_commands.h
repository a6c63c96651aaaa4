#pragma once

#include <memory>
#include <string>

#include "cli/runtime/command.h"

/// The commands that only edgeclip has, one file each.
namespace edgeclip {

std::unique_ptr<Command> prepare_command();
std::unique_ptr<Command> synthesize_command();
std::unique_ptr<Command> train_command();
std::unique_ptr<Command> merge_command();
std::unique_ptr<Command> prune_command();
std::unique_ptr<Command> export_command();
std::unique_ptr<Command> report_command();

/// A checkpoint folder as an encoder: LibTorch's modules, the adapter included.
std::unique_ptr<Encoder> open_checkpoint_encoder(const std::string& directory);

/// Tells LibTorch how many threads there are, and warns if its BLAS is the slow one.  Call once, before any
/// tensor.
void start_workshop(int threads);

}  // namespace edgeclip
