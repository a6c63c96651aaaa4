#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

/// The JSON object at the head of each of our artifacts: it says "format" (its version) and "edgeclip" (the
/// version that wrote it).
namespace edgeclip {

/// True if file is such a head, of whatever artifact and version.
bool is_artifact_head(const std::filesystem::path& file);

/// The versions of a format that are read: one, or a range.
struct ArtifactFormats {
  constexpr ArtifactFormats(int only) : oldest(only), newest(only) {}  // NOLINT(google-explicit-constructor)
  constexpr ArtifactFormats(int first, int last) : oldest(first), newest(last) {}
  int oldest, newest;
};

/// Reads it.  Throws InvalidInput if its format is newer or older than `formats`; remedy: what to do about an
/// older one ("prepare the dataset again").
Json read_artifact_head(const std::filesystem::path& file, ArtifactFormats formats, const char* remedy);

/// "files": {"image.onnx": {"bytes", "xxh3"}} for all files below `directory` but `except`; shared by
/// checkpoint, bundle, plan and gallery.  Works after a signal too: an interrupted training keeps its
/// checkpoint.
Json file_table(const std::filesystem::path& directory, const std::string& except);

/// The entry of one file.
Json file_entry(const std::filesystem::path& file);

enum class FileCheck { kContents, kSizes };
/// Throws InvalidInput naming the first file that is missing, of another size, or damaged (kContents: which
/// reads all of it).
void check_file_table(const std::filesystem::path& directory, const Json& table, const std::string& where,
                      FileCheck check = FileCheck::kContents);

}  // namespace edgeclip
