#include "base/error.h"
#include "model/import/import.h"
#include "tiny_clip.h"

/// The golden DistilBERT (tests/golden/tiny_towers) in all states a Hugging Face folder may be in.
namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;
using Tensors = std::map<std::string, Tensor>;

void same(Tensors&) {}
void same_config(Json&) {}

/// A folder with the golden DistilBERT as the changes leave it.
class Folder {
 public:
  explicit Folder(const std::function<void(Tensors&)>& change = same,
                  const std::function<void(Json&)>& change_config = same_config) {
    const fs::path folder = golden("tiny_towers/distilbert_hf");
    const SafetensorsFile file(folder / "model.safetensors");
    Tensors tensors;
    for (const auto& name : file.names()) tensors[name] = file.get(name);
    change(tensors);
    write_safetensors(dir_ / "model.safetensors", NamedTensors(tensors.begin(), tensors.end()));
    Json config = read_json(folder / "config.json");
    change_config(config);
    write_json(dir_ / "config.json", config);
  }
  fs::path operator/(const char* name) const { return dir_ / name; }

  Checkpoint import(Json* report = nullptr) const {
    ImportOptions options;
    options.leave_out_extra = true;
    options.image = golden("tiny_towers/resnet/model.safetensors").string();
    options.text = dir_.path().string();
    Json ignored;
    return import_model(options, report != nullptr ? report : &ignored);
  }
  std::string refusal() const {
    return invalid_input_of([&] { import(); });
  }

 private:
  TempDir dir_;
};

/// As DistilBertForMaskedLM and its like name their tensors.
void below_distilbert(Tensors& tensors) {
  Tensors renamed;
  for (const auto& [name, tensor] : tensors) renamed["distilbert." + name] = tensor;
  tensors = renamed;
}

std::map<std::string, torch::Tensor> tower_of(const Checkpoint& checkpoint) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : checkpoint.model->text_model->named_parameters())
    tensors[item.key()] = item.value();
  return tensors;
}

void write_vocabulary(const fs::path& file, int size) {
  std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nman\n";
  for (int i = 6; i < size; ++i) text += "word" + std::to_string(i) + "\n";
  write_text(file, text);
}

TEST(ImportDistilBert, ConfigurationAndWeights) {
  Json report;
  const Checkpoint checkpoint = Folder().import(&report);
  const TextConfig& t = checkpoint.config.text;
  EXPECT_EQ(t.model_type, "distilbert");
  EXPECT_EQ(t.hidden_size, 32);
  EXPECT_EQ(t.num_hidden_layers, 2);
  EXPECT_EQ(t.num_attention_heads, 4);
  EXPECT_EQ(t.intermediate_size, (std::vector<int>{64}));
  EXPECT_EQ(t.max_position_embeddings, 24);
  EXPECT_EQ(t.vocab_size, 300);
  EXPECT_EQ(t.dropout, 0);
  EXPECT_EQ(t.mask_pooling, "cls");
  EXPECT_EQ(t.pad_token_id, 0);
  EXPECT_EQ(t.bos_token_id, 101);
  EXPECT_EQ(t.eos_token_id, 102);
  const SafetensorsFile expected(golden("tiny_towers/distilbert_hf/model.safetensors"));
  const auto tower = tower_of(checkpoint);
  EXPECT_EQ(tower.size(), expected.names().size());
  for (const auto& [name, tensor] : tower)
    EXPECT_TRUE(torch::equal(tensor, from_tensor(expected.get(name).view()))) << name;
  EXPECT_TRUE(report["unused"].empty() && report["ignored"].empty() && report["not_finite"].empty());
}

TEST(ImportDistilBert, HeadsOfOtherTasksAreLeftOutAndNamed) {
  const Folder folder([](Tensors& tensors) {
    below_distilbert(tensors);
    for (const char* head : {"vocab_transform.weight", "vocab_layer_norm.bias", "vocab_projector.bias",
                             "pre_classifier.weight", "classifier.bias", "qa_outputs.weight"})
      tensors[head] = Tensor(DType::f32, {2});
    tensors["distilbert.embeddings.position_ids"] = Tensor(DType::i64, {1, 24});
    tensors["distilbert.pooler.weight"] = Tensor(DType::f32, {2});
  });
  Json report;
  const auto tower = tower_of(folder.import(&report)), expected = tower_of(Folder().import());
  for (const auto& [name, tensor] : tower) EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
  EXPECT_EQ(report["ignored"].size(), 7u);
  EXPECT_EQ(report["unused"], Json({"distilbert.pooler.weight"}));
}

TEST(ImportDistilBert, TheTokenizerOfTheFolderSaysTheEnds) {
  const Folder folder;
  write_vocabulary(folder / "vocab.txt", 300);
  const Checkpoint checkpoint = folder.import();
  ASSERT_NE(checkpoint.tokenizer, nullptr);
  EXPECT_EQ(checkpoint.config.text.bos_token_id, 2);
  EXPECT_EQ(checkpoint.config.text.eos_token_id, 3);
  EXPECT_EQ(checkpoint.tokenizer->encode_with_ends("A man", 24), (std::vector<std::int32_t>{2, 4, 5, 3}));
  EXPECT_EQ(checkpoint.card.begin_id, 2);
  write_vocabulary(folder / "vocab.txt", 301);
  EXPECT_NE(folder.refusal().find("301"), std::string::npos);
}

TEST(ImportDistilBert, DamagedFoldersAreRefusedByName) {
  const auto expect = [](const Folder& folder, std::initializer_list<const char*> parts) {
    const std::string message = folder.refusal();
    for (const char* part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << part << ": " << message;
  };
  const char* gone = "transformer.layer.1.ffn.lin1.bias";
  expect(Folder([&](Tensors& t) { t.erase(gone); }), {"model.safetensors", gone, "is missing"});
  expect(Folder([&](Tensors& t) {
           below_distilbert(t);
           t.erase(std::string("distilbert.") + gone);
         }),
         {"\"distilbert.transformer.layer.1.ffn.lin1.bias\" is missing"});
  expect(Folder([](Tensors& t) { t["embeddings.LayerNorm.bias"] = Tensor(DType::f32, {33}); }),
         {"embeddings.LayerNorm.bias", "(33,)", "(32,)"});
  const Folder alone;
  fs::remove(alone / "config.json");
  expect(alone, {"config.json"});
  const Folder cut;
  fs::resize_file(cut / "model.safetensors", 5000);
  expect(cut, {"model.safetensors"});
}

TEST(ImportDistilBert, OtherModelsAreRefusedByName) {
  const auto expect = [](const std::function<void(Json&)>& change, const char* part) {
    const std::string message = Folder(same, change).refusal();
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect([](Json& c) { c["model_type"] = "bert"; }, "\"bert\"");
  expect([](Json& c) { c.erase("model_type"); }, "model_type");
  expect([](Json& c) { c["activation"] = "relu"; }, "relu");
  expect([](Json& c) { c["n_heads"] = 5; }, "5 does not divide");
  expect([](Json& c) { c["n_layers"] = "2"; }, "n_layers");
  expect([](Json& c) { c["dim"] = 1 << 16; }, "needs at least");
  expect([](Json& c) { c = Json::array(); }, "model_type");
  const Folder small(
      [](Tensors& t) {
        t["embeddings.word_embeddings.weight"] = Tensor(DType::f32, {100, 32});
      },
      [](Json& c) { c["vocab_size"] = 100; });
  EXPECT_NE(small.refusal().find("--tokenizer"), std::string::npos);
  const Folder bert(
      [](Tensors& tensors) {
        Tensors renamed;
        for (const auto& [name, tensor] : tensors) renamed["bert." + name] = tensor;
        tensors = renamed;
      },
      [](Json& c) { c["model_type"] = "bert"; });
  EXPECT_NE(bert.refusal().find("\"bert\""), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
