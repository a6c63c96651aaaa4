#pragma once

#include <memory>

#include "cli/runtime/command.h"

/// The commands of edgeclip-edge, one file each.
namespace edgeclip {

std::unique_ptr<Command> verify_command();
std::unique_ptr<Command> quantize_command();
std::unique_ptr<Command> build_command();
std::unique_ptr<Command> index_command();
std::unique_ptr<Command> gallery_command();
std::unique_ptr<Command> search_command();
std::unique_ptr<Command> evaluate_command(const OpenCheckpoint& open_checkpoint);
std::unique_ptr<Command> bench_command();
std::unique_ptr<Command> encode_command(const OpenCheckpoint& open_checkpoint);
std::unique_ptr<Command> run_command();
std::unique_ptr<Command> conform_command();
std::unique_ptr<Command> tokenize_command();
std::unique_ptr<Command> preprocess_command();
std::unique_ptr<Command> inspect_command(const std::function<Json()>& workshop_libraries);

/// Runs verify on a bundle, prints its table; throws CheckNotMetWithReport if a case is outside tolerance.
/// Shared with export, which verifies what it wrote.
Json verify_and_print(const std::string& bundle);

}  // namespace edgeclip
