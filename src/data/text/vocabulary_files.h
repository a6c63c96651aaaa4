#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/text/byte_bpe.h"

/// The files in which other tools keep vocabularies.  Every reader throws InvalidInput naming the file and
/// the place.
namespace edgeclip {

/// OpenAI's bpe_simple_vocab_16e6.txt, gzipped or not: merges, from which CLIP's 49,408 ids follow.
BpeVocabulary read_openai_merges(const std::filesystem::path& file);

/// Hugging Face's vocab.json and merges.txt.
BpeVocabulary read_bpe_files(const std::filesystem::path& vocabulary, const std::filesystem::path& merges);
void write_bpe_files(const std::filesystem::path& vocabulary, const std::filesystem::path& merges,
                     const BpeVocabulary& bpe);

/// Hugging Face's tokenizer.json of type BPE.
BpeVocabulary read_tokenizer_json_bpe(const std::filesystem::path& file);

/// Pieces by id: vocab.txt (one per line).
std::vector<std::string> read_vocabulary_lines(const std::filesystem::path& file);

/// "BPE", "WordPiece", ...: model.type of a tokenizer.json.
std::string tokenizer_json_type(const std::filesystem::path& file);

/// Pieces by id of a tokenizer.json of type WordPiece.
std::vector<std::string> read_tokenizer_json_pieces(const std::filesystem::path& file);

}  // namespace edgeclip
