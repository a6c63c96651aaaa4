#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace edgeclip {

/// A FILE of texts: one per line, or a JSON list of strings (recognized by its first "[").  Blank lines at
/// the end are dropped.  Throws InvalidInput (file, line) for an empty text, for text that is not UTF-8, or
/// if nothing is there.
std::vector<std::string> read_texts(const std::filesystem::path& path);

/// A text in at most so many bytes, for messages: whole characters and "...", where it is longer.
std::string beginning(const std::string& text, std::size_t most);

/// What a model with this tokenizer and context length does not see of a text, in one line without its name:
/// tokens that are cut off, pieces that the vocabulary lacks.  "" if it sees all.
std::string unseen_of(const Tokenizer& tokenizer, const std::string& text, int context_length);

/// Warns of the first texts of which unseen_of() has something to say, one line each, and how many more there
/// are.
void warn_of_unseen(const Tokenizer& tokenizer, const std::vector<std::string>& texts, int context_length);

}  // namespace edgeclip
