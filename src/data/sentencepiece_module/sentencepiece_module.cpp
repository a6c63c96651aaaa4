#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/sentencepiece_module/sentencepiece_api.h"

namespace {

using sentencepiece::SentencePieceProcessor;
using sentencepiece::util::Status;

const SentencePieceProcessor& processor(void* handle) {
  return *static_cast<SentencePieceProcessor*>(handle);
}

/// body() returns a Status; no C++ exception crosses the C interface.
template <class Body>
int guarded(char* error, size_t size, Body body) {
  std::snprintf(error, size, "%s", "");
  try {
    const Status status = body();
    if (status.ok()) return 1;
    std::snprintf(error, size, "%s", status.ToString().c_str());
  } catch (const std::exception& e) {
    std::snprintf(error, size, "%s", e.what());
  }
  return 0;
}

void* load(const char* model, size_t bytes, char* error, size_t size) {
  std::unique_ptr<SentencePieceProcessor> loaded;
  const int ok = guarded(error, size, [&] {
    loaded = std::make_unique<SentencePieceProcessor>();
    return loaded->LoadFromSerializedProto({model, bytes});
  });
  return ok ? loaded.release() : nullptr;
}

void close(void* handle) { delete static_cast<SentencePieceProcessor*>(handle); }

int vocab_size(void* handle) { return processor(handle).GetPieceSize(); }
int unk_id(void* handle) { return processor(handle).unk_id(); }
int bos_id(void* handle) { return processor(handle).bos_id(); }
int eos_id(void* handle) { return processor(handle).eos_id(); }
int pad_id(void* handle) { return processor(handle).pad_id(); }

int encode(void* handle, const char* text, size_t bytes, EdgeclipIdSink sink, void* context, char* error,
           size_t size) {
  return guarded(error, size, [&] {
    std::vector<int> ids;
    const Status status = processor(handle).Encode({text, bytes}, &ids);
    if (status.ok()) sink(context, ids.data(), ids.size());
    return status;
  });
}

int decode(void* handle, const int* ids, size_t count, EdgeclipTextSink sink, void* context, char* error,
           size_t size) {
  return guarded(error, size, [&] {
    std::string text;
    const Status status = processor(handle).Decode(std::vector<int>(ids, ids + count), &text);
    if (status.ok()) sink(context, text.data(), text.size());
    return status;
  });
}

int piece(void* handle, int id, EdgeclipTextSink sink, void* context, char* error, size_t size) {
  return guarded(error, size, [&] {
    const std::string& text = processor(handle).IdToPiece(id);
    sink(context, text.data(), text.size());
    return Status();
  });
}

class Texts : public sentencepiece::SentenceIterator {
 public:
  Texts(const char* const* texts, const size_t* bytes, size_t count)
      : texts_(texts), bytes_(bytes), count_(count) {
    take();
  }
  bool done() const override { return at_ >= count_; }
  void Next() override {
    ++at_;
    take();
  }
  const std::string& value() const override { return value_; }
  Status status() const override { return {}; }

 private:
  void take() {
    if (!done()) value_.assign(texts_[at_], bytes_[at_]);
  }

  const char* const* texts_;
  const size_t* bytes_;
  const size_t count_;
  size_t at_ = 0;
  std::string value_;
};

int train(const char* const* options, size_t option_count, const char* const* texts, const size_t* bytes,
          size_t text_count, EdgeclipTextSink sink, void* context, char* error, size_t size) {
  return guarded(error, size, [&] {
    std::unordered_map<std::string, std::string> settings;
    for (size_t i = 0; i < option_count; ++i) settings[options[2 * i]] = options[2 * i + 1];
    Texts iterator(texts, bytes, text_count);
    std::string model;
    const Status status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
    if (status.ok()) sink(context, model.data(), model.size());
    return status;
  });
}

constexpr EdgeclipSentencePieceApi kApi = {load,   close,  vocab_size, unk_id, bos_id, eos_id,
                                           pad_id, encode, decode,     piece,  train};

}  // namespace

extern "C" const EdgeclipSentencePieceApi* edgeclip_sentencepiece_v1() { return &kApi; }
