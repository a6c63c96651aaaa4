#include "data/text/sentencepiece_tokenizer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/module.h"
#include "data/sentencepiece_module/sentencepiece_api.h"
#include "data/text/sentencepiece_model.h"

namespace edgeclip {

namespace {

constexpr const char* kModelFile = "spm.model";

/// sentencepiece's messages name source lines of its own: "INTERNAL: src/x.cc(1) [condition] text"; only text
/// is kept.
std::string message_of(std::string text) {
  const auto bracket = text.rfind("] ");
  if (bracket != std::string::npos && bracket + 2 < text.size()) text = text.substr(bracket + 2);
  if (const auto advice = text.find(". Increase"); advice != std::string::npos)
    text.resize(advice);  // of its own options
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// sentencepiece carries an old protobuf of its own and exports its symbols, so that linked beside the
/// current libprotobuf (LibTorch and libonnx need it) one of the two ends in the other's code and crashes.
/// Loaded at the first use.
const EdgeclipSentencePieceApi& library() {
  static const EdgeclipSentencePieceApi* const api = reinterpret_cast<const EdgeclipSentencePieceApi* (*)()>(
      load_module("sentencepiece", "edgeclip_sentencepiece_v1", ModuleScope::kOwnFirst, "tokenizer",
                  "libsentencepiece0"))();
  return *api;
}

/// Of a call that failed; returns if the machine is not at fault.
void require_memory(const char* error) {
  if (says_out_of_memory(error)) throw std::bad_alloc();
}

void require_done(int done, const char* error) {
  if (!done) require_memory(error);
  EDGECLIP_CHECK(done, "sentencepiece: {}", error);
}

void take_text(void* out, const char* text, std::size_t bytes) {
  static_cast<std::string*>(out)->assign(text, bytes);
}
void take_ids(void* out, const int* ids, std::size_t count) {
  static_cast<std::vector<std::int32_t>*>(out)->assign(ids, ids + count);
}

}  // namespace

SentencePieceEnds sentencepiece_ends(const std::string& convention, bool has_begin, const std::string& name) {
  constexpr std::string_view kPad = "pad=";
  SentencePieceEnds ends;
  std::string pieces = convention;
  bool understood = true;
  if (const auto at = pieces.rfind(kPad); at == 0 || (at != std::string::npos && pieces[at - 1] == ',')) {
    const char* const end = pieces.data() + pieces.size();
    const auto parsed = std::from_chars(pieces.data() + at + kPad.size(), end, ends.pad);
    understood = parsed.ec == std::errc() && parsed.ptr == end && ends.pad >= 0;
    pieces.resize(at == 0 ? 0 : at - 1);
  }
  ends.begin = pieces != "eos";
  if (!understood || (!pieces.empty() && pieces != "eos" && pieces != "bos,eos"))
    invalid_input("{}: the convention \"{}\" is not eos or bos,eos (each with ,pad=ID or without)", name,
                  convention);
  if (pieces == "bos,eos" && !has_begin)
    invalid_input("{}: has no begin piece (<s>); choose the convention \"eos\"", name);
  return ends;
}

SentencePieceTokenizer::SentencePieceTokenizer(std::string model, const std::string& name,
                                               const std::string& convention)
    : model_(std::move(model)) {
  open(name);
  const SentencePieceEnds ends = sentencepiece_ends(convention, begin_ >= 0, name);
  if (!ends.begin) begin_ = -1;
  if (ends.pad >= vocab_size())
    invalid_input("{}: the convention's pad={} is outside the vocabulary (0 to {})", name, ends.pad,
                  vocab_size() - 1);
  if (ends.pad >= 0) pad_ = ends.pad;
}

SentencePieceTokenizer::SentencePieceTokenizer(std::string model, const std::string& name, std::int32_t begin,
                                               std::int32_t pad)
    : model_(std::move(model)) {
  open(name);
  if (begin < 0) begin_ = -1;
  if (pad >= 0 && pad < vocab_size()) pad_ = pad;
}

void SentencePieceTokenizer::open(const std::string& name) {
  require_sound_model(model_, name);
  char error[512];
  processor_ = {library().load(model_.data(), model_.size(), error, sizeof error), library().close};
  if (!processor_) require_memory(error);
  if (!processor_ || vocab_size() == 0) invalid_input("{}: is not a sentencepiece model", name);
  begin_ = library().bos_id(processor_.get());
  end_ = library().eos_id(processor_.get());
  pad_ = library().pad_id(processor_.get());
  if (pad_ < 0) pad_ = end_;
  if (end_ < 0) invalid_input("{}: has no end piece (</s>); train it with eos_id", name);
}

std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<std::int32_t> ids;
  char error[512];
  require_done(
      library().encode(processor_.get(), text.data(), text.size(), take_ids, &ids, error, sizeof error),
      error);
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<std::int32_t>& ids) const {
  for (const auto id : ids) require_id(id);
  std::string text;
  char error[512];
  require_done(
      library().decode(processor_.get(), ids.data(), ids.size(), take_text, &text, error, sizeof error),
      error);
  return text;
}

std::string SentencePieceTokenizer::piece(std::int32_t id) const {
  require_id(id);
  std::string text;
  char error[512];
  require_done(library().piece(processor_.get(), id, take_text, &text, error, sizeof error), error);
  return text;
}

std::int32_t SentencePieceTokenizer::unknown_id() const { return library().unk_id(processor_.get()); }

int SentencePieceTokenizer::vocab_size() const { return library().vocab_size(processor_.get()); }

/// sentencepiece itself ends the process at such an id.
void SentencePieceTokenizer::require_id(std::int32_t id) const {
  if (id < 0 || id >= vocab_size())
    invalid_input("token id {} is outside the vocabulary (0 to {})", id, vocab_size() - 1);
}

void SentencePieceTokenizer::save(const std::filesystem::path& directory) const {
  AtomicFile file(directory / kModelFile);
  file.write(model_);
  file.commit();
  write_json(
      directory / kTokenizerFile,
      Json{{"format", kTokenizerFormat},
           {"type", "sentencepiece"},
           {"model", kModelFile},
           {"hash", hash_text(model_)},
           {"ids",
            {{"pad", pad_}, {"unk", library().unk_id(processor_.get())}, {"begin", begin_}, {"end", end_}}},
           {"vocab_size", vocab_size()}});
}

std::shared_ptr<const Tokenizer> train_tokenizer(const std::vector<std::string>& texts, int vocab_size) {
  constexpr int kMinimum = 8;  // four ids of our own and a few pieces
  if (vocab_size < kMinimum)
    invalid_input("tokenizer vocabulary of {} pieces is too small (at least {})", vocab_size, kMinimum);
  std::size_t longest = 0;
  for (const auto& text : texts) {
    require_utf8(text, "text to train the tokenizer on");
    longest = std::max(longest, text.size());
  }
  const std::vector<std::pair<std::string, std::string>> options = {
      // Unigram seeds pieces from substrings of different words only, so that in captions of few words most
      // words fall
      // apart (41 pieces per Market-1501 caption, 21 with BPE); it also ends the process on blank texts.
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(vocab_size)},
      {"hard_vocab_limit", "false"},  // fewer pieces than asked for is no error
      {"normalization_rule_name", "nmt_nfkc_cf"},
      {"pad_id", "0"},
      {"unk_id", "1"},
      {"bos_id", "2"},
      {"eos_id", "3"},
      {"max_sentence_length",
       std::to_string(std::max<std::size_t>(longest + 1, 10))},  // longer texts are left out silently
      {"num_threads", "1"},  // sums of floats depend on the number of threads
      {"shuffle_input_sentence", "false"},
      {"minloglevel", "2"},
  };
  if (longest == 0) invalid_input("a tokenizer cannot be trained: no text is given");
  std::vector<const char*> settings, rows;
  std::vector<std::size_t> bytes;
  for (const auto& [key, value] : options) settings.insert(settings.end(), {key.c_str(), value.c_str()});
  for (const auto& text : texts) {
    rows.push_back(text.data());
    bytes.push_back(text.size());
  }
  std::string model;
  char error[2048];
  if (!library().train(settings.data(), options.size(), rows.data(), bytes.data(), rows.size(), take_text,
                       &model, error, sizeof error)) {
    require_memory(error);
    invalid_input(
        "a tokenizer of {} pieces cannot be trained on {} texts: {}; ask for more pieces (train:SIZE)",
        vocab_size, texts.size(), message_of(error));
  }
  auto tokenizer = std::make_shared<SentencePieceTokenizer>(std::move(model), "trained tokenizer");
  if (tokenizer->vocab_size() <= 4)
    invalid_input("a tokenizer cannot be trained: the {} texts are blank", texts.size());
  if (tokenizer->vocab_size() < vocab_size)
    spdlog::info("tokenizer: the texts hold {} pieces, {} were asked for", tokenizer->vocab_size(),
                 vocab_size);
  return tokenizer;
}

}  // namespace edgeclip
