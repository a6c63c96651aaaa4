#include "base/file.h"
#include "base/safetensors.h"
#include "model/checkpoint.h"
#include "train/interrupt_after.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// "base": a run; adapters are trained on it.
class AdapterTraining : public test::TinyTraining {
 protected:
  static void SetUpTestSuite() {
    TinyTraining::SetUpTestSuite();
    TrainOptions options = test::tiny_train_options();
    options.epochs = 1;
    train(options, paths("base"));
    train(adapter_options_of(2), paths("adapter", "base/final"));
  }
  static TrainOptions further(int epochs) {
    TrainOptions options = test::tiny_train_options();
    options.model = ModelConfig();  // it comes with the checkpoint
    options.lora_mode = "continue";
    options.epochs = epochs;
    return options;
  }
  static TrainOptions adapter_options_of(int epochs) {
    TrainOptions options = further(epochs);
    options.lora_mode = "adapter";
    options.lora.rank = 3;
    options.lora.target_modules = {"q_proj", "fc1"};
    return options;
  }
  static std::string refused(const TrainOptions& options, const TrainPaths& where) {
    return test::invalid_input_of([&] { train(options, where); });
  }
  static std::string hash(const std::string& name) { return weights_hash(load_checkpoint(at(name)).model); }
  static std::uintmax_t bytes(const fs::path& folder) {
    std::uintmax_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && entry.path().parent_path().filename() != "tokenizer") sum += entry.file_size();
    return sum;
  }
};

TEST_F(AdapterTraining, CheckpointsHoldTheAdapterAlone) {
  for (const char* name : {"adapter/best", "adapter/final"}) {
    EXPECT_FALSE(fs::exists(at(name) / "model.safetensors"));
    EXPECT_EQ(load_checkpoint(at(name)).base->directory, at("base/final"));
  }
  EXPECT_LT(bytes(at("adapter/final")), bytes(at("base/final")) / 2);
  TrainOptions whole = adapter_options_of(2);
  whole.saving.base = true;
  train(whole, paths("whole", "base/final"));
  EXPECT_TRUE(fs::exists(at("whole/final/model.safetensors")));
  EXPECT_EQ(hash("whole/final"), hash("adapter/final"));

  // An adapter on top of an adapter: the first one's product lies nowhere else.
  train(adapter_options_of(1), paths("second", "adapter/final"));
  EXPECT_TRUE(fs::exists(at("second/final/model.safetensors")));
  TrainPaths over = paths("base", "adapter/final");
  over.overwrite = true;
  EXPECT_TRUE(contains(refused(adapter_options_of(1), over), "base/final, which would go with it"));
}

TEST_F(AdapterTraining, GoesOn) {
  const Checkpoint before = load_checkpoint(at("adapter/final"));
  TrainOptions options = further(3);
  options.lora.dropout = 0.1;  // changes nothing that is there
  train(options, paths("on", "adapter/final"));
  const Checkpoint after = load_checkpoint(at("on/final"));
  const LoraOptions lora = after.model->adapters.adapter().options;
  EXPECT_EQ(lora.rank, 3);
  EXPECT_EQ(lora.dropout, 0.1);
  EXPECT_EQ(after.base->directory, at("base/final"));
  const auto old = before.model->named_parameters();
  for (const auto& item : after.model->named_parameters())
    EXPECT_EQ(torch::equal(item.value(), old[item.key()]), !contains(item.key(), ".lora_")) << item.key();
  const Json run = read_json(at("on/run.json"));
  EXPECT_EQ(run["options"]["lora"]["rank"], 3);

  TrainOptions still = further(0);  // begins where the other ended
  still.steps = 1;
  still.optimizer.lr = 1e-30;
  train(still, paths("still", "adapter/final"));
  EXPECT_EQ(hash("still/final"), hash("adapter/final"));

  {
    const test::InterruptAfter interrupt(at("broken") / "metrics.jsonl", 6);
    EXPECT_THROW(train(options, paths("broken", "adapter/final")), Interrupted);
  }
  train(further(3), paths("broken", "", true));
  EXPECT_EQ(hash("broken/final"), hash("on/final"));
}

TEST_F(AdapterTraining, GoesOnWithAnothersFolder) {
  fs::create_directories(at("folder"));
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    fs::copy(at("adapter/final") / name, at("folder") / name, fs::copy_options::overwrite_existing);
  TrainOptions options = further(1);
  TrainPaths where = paths("of_folder", "base/final");
  where.adapter = at("folder");
  train(options, where);
  train(options, paths("of_checkpoint", "adapter/final"));
  EXPECT_EQ(hash("of_folder/final"), hash("of_checkpoint/final"));
  TrainPaths resumed = paths("of_folder", "", true);
  EXPECT_NO_THROW(train(options, resumed));
  resumed.adapter = at("adapter/final");
  EXPECT_TRUE(contains(refused(options, resumed), "was started with " + at("folder").string()));
}

TEST_F(AdapterTraining, RefusesWhatContradictsIt) {
  TrainOptions options = further(1);
  options.lora.rank = 4;
  const std::string rank = refused(options, paths("no", "adapter/final"));
  EXPECT_TRUE(contains(rank, "lora.rank: 4 was asked for, but the adapter that goes on has 3")) << rank;
  options = further(1);
  options.lora.dora = true;
  EXPECT_TRUE(contains(refused(options, paths("no", "adapter/final")), "lora.dora: true was asked for"));
  TrainPaths named = paths("no", "adapter/final");
  named.named = Json{{"lora", {{"rank", nullptr}}}};  // the default, in so many words
  EXPECT_TRUE(contains(refused(further(1), named), "lora.rank: 16 was asked for"));
  EXPECT_TRUE(contains(refused(further(1), paths("no", "base/final")), "no adapter of it is in use"));
  EXPECT_TRUE(contains(refused(further(1), paths("no")), "name it with --init"));
  TrainPaths lost = paths("no", "adapter/final");
  lost.adapter = "nowhere";
  EXPECT_TRUE(contains(refused(further(1), lost), "--adapter nowhere: is neither a folder nor an adapter of"));
  options = test::tiny_train_options();
  options.train = {"logit_scale"};
  EXPECT_TRUE(contains(refused(options, paths("no")), "train: has no effect while lora_mode is none"));
  EXPECT_FALSE(fs::exists(at("no")));
}

TEST_F(AdapterTraining, TrainsBesideAnAdapterWhatIsNamed) {
  TrainOptions options = adapter_options_of(3);
  options.train = {"logit_scale", "*.layer_norm1", "visual_projection"};
  options.average.decay = 0.9;  // which gives parameters other memory
  train(options, paths("beside", "base/final"));
  const Checkpoint base = load_checkpoint(at("base/final"));
  Checkpoint after = load_checkpoint(at("beside/final"));
  const auto old = base.model->named_parameters();
  const auto trains = [](const std::string& name) {
    return name == "logit_scale" || name == "visual_projection.weight" || contains(name, "layer_norm1");
  };
  for (const auto& item : after.model->named_parameters())
    if (!contains(item.key(), ".lora_")) {
      EXPECT_EQ(torch::equal(item.value(), old[item.key()]), !trains(item.key())) << item.key();
    }
  EXPECT_NEAR(after.card.logit_scale, std::exp(after.model->logit_scale.item<double>()), 1e-5);
  EXPECT_EQ(read_json(at("beside/final/adapter_config.json"))["modules_to_save"].size(), 4u + 1);

  TrainOptions more = further(1);
  more.train = {"text_projection"};
  train(more, paths("more", "beside/final"));
  const Checkpoint last = load_checkpoint(at("more/final"));
  EXPECT_FALSE(torch::equal(last.model->named_parameters()["text_projection.weight"], old["text_projection.weight"]));
  EXPECT_FALSE(torch::equal(last.model->logit_scale, after.model->logit_scale)) << "it is the adapter's, and goes on";
  const std::string weights = weights_hash(after.model);
  after.model->merge_lora();
  const auto merged = after.model->named_parameters();
  for (const auto& item : base.model->named_parameters())
    if (!contains(item.key(), "q_proj.weight") && !contains(item.key(), "fc1.weight")) {
      EXPECT_EQ(torch::equal(merged[item.key()], item.value()), !trains(item.key())) << item.key();
    }
}

TEST_F(AdapterTraining, ABaseThatIsNotFiniteIsRefusedBeforeTheFirstStep) {
  Checkpoint damaged = load_checkpoint(at("base/final"));
  damaged.model->text_model->parameters().back().detach().flatten()[0].fill_(std::numeric_limits<float>::quiet_NaN());
  save_checkpoint(at("damaged"), damaged);
  const std::string message = refused(adapter_options_of(1), paths("on_damaged", "damaged"));
  EXPECT_TRUE(contains(message, "the weight text_model.")) << message;
  EXPECT_TRUE(contains(message, "before the first step; start from another checkpoint")) << message;
}

TEST_F(AdapterTraining, OfDoraTrainsDirectionAndLength) {
  TrainOptions options = adapter_options_of(2);
  options.lora.dora = true;
  options.lora.dropout = 0.1;
  options.gradient_checkpointing = true;
  train(options, paths("dora", "base/final"));
  train(further(1), paths("dora_on", "dora/final"));
  const auto before = load_checkpoint(at("dora/final")).model->named_parameters(),
             after = load_checkpoint(at("dora_on/final")).model->named_parameters();
  const std::string layer = "vision_model.encoder.layers.1.mlp.fc1.";
  const torch::Tensor start =
      load_checkpoint(at("base/final")).model->named_parameters()[layer + "weight"].detach().norm(2, 1);
  EXPECT_FALSE(torch::allclose(before[layer + "lora_magnitude_vector"], start, 1e-5, 1e-6));
  for (const char* part : {"lora_A", "lora_B", "lora_magnitude_vector"})
    EXPECT_FALSE(torch::equal(before[layer + part], after[layer + part])) << part;
  EXPECT_TRUE(torch::equal(before[layer + "weight"], after[layer + "weight"]));
}

}  // namespace
}  // namespace edgeclip
