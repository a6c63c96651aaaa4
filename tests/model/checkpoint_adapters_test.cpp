#include "model/checkpoint_adapters.h"

#include "base/file.h"
#include "model/lora/adapter_file.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

/// "base": a checkpoint; the others are made of it.
class CheckpointAdapters : public testing::Test {
 protected:
  void SetUp() override {
    Checkpoint base;
    base.config = tiny_config();
    base.model = tiny_model();
    base.card.image.height = base.card.image.width = base.config.vision.image_height;
    save_checkpoint(at("base"), base);
  }
  fs::path at(const std::string& name) const { return dir_ / name; }
  static fs::path peft(const std::string& name) { return golden("adapters") / name; }
  Checkpoint adapted(const std::vector<std::string>& names) const {
    Checkpoint checkpoint = load_checkpoint(at("base"));
    for (const auto& name : names) add_adapter(checkpoint, name == "bias_all" ? kUsualAdapter : name, peft(name));
    checkpoint.adapter_only = true;
    return checkpoint;
  }
  static double distance(Checkpoint& checkpoint, const std::string& name) {
    const torch::NoGradGuard no_grad;
    const SafetensorsFile expected(golden("adapters") / (name + ".expected.safetensors"));
    return max_difference(checkpoint.model->encode_image(tiny_pixels()), tensor_of(expected, "image_embeds"));
  }
  static std::string refusal(const fs::path& path, const std::string& adapter = "") {
    return invalid_input_of([&] { load_checkpoint(path, adapter); });
  }

  const TempDir dir_;
};

TEST_F(CheckpointAdapters, LeaveTheBaseWhereItIs) {
  Checkpoint written = adapted({"bias_all"});
  save_checkpoint(at("a"), written);
  EXPECT_FALSE(fs::exists(at("a/model.safetensors")));
  Checkpoint read = load_checkpoint(at("a"));
  EXPECT_EQ(weights_hash(read.model), weights_hash(written.model));
  EXPECT_EQ(read.base->directory, fs::canonical(at("base")));
  EXPECT_EQ(checkpoint_sources(at("a")), (std::vector<fs::path>{at("a"), fs::canonical(at("base"))}));
  EXPECT_EQ(checkpoint_sources(at("base")), (std::vector<fs::path>{at("base")}));

  save_checkpoint(at("whole"), read);  // adapter_only is for who asks
  EXPECT_TRUE(fs::exists(at("whole/model.safetensors")));
  fs::remove_all(at("base"));
  EXPECT_EQ(weights_hash(load_checkpoint(at("whole")).model), weights_hash(written.model));
}

TEST_F(CheckpointAdapters, MoveWithTheirBaseOrAlone) {
  fs::create_directory(at("both"));
  fs::rename(at("base"), at("both/base"));
  Checkpoint written = load_checkpoint(at("both/base"));
  add_adapter(written, kUsualAdapter, peft("second"));
  written.adapter_only = true;
  save_checkpoint(at("both/a"), written);
  const std::string hash = weights_hash(written.model);
  fs::rename(at("both"), at("elsewhere"));  // found by the relative path
  EXPECT_EQ(weights_hash(load_checkpoint(at("elsewhere/a")).model), hash);
  fs::rename(at("elsewhere"), at("both"));
  fs::create_directories(at("far/away"));
  fs::rename(at("both/a"), at("far/away/a"));  // by the absolute one
  EXPECT_EQ(weights_hash(load_checkpoint(at("far/away/a")).model), hash);

  fs::rename(at("both/base"), at("hidden"));
  const std::string lost = refusal(at("far/away/a"));
  EXPECT_NE(lost.find("far/away/a/config.json: base: " + at("both/base").string() + " is not there"),
            std::string::npos)
      << lost;
  EXPECT_NE(lost.find("base.path"), std::string::npos) << lost;
  Json json = read_json(at("far/away/a/config.json"));
  json["base"]["path"] = "../../../hidden";
  write_json(at("far/away/a/config.json"), json);
  EXPECT_EQ(weights_hash(load_checkpoint(at("far/away/a")).model), hash) << "as the message says";

  Checkpoint other = load_checkpoint(at("hidden"));
  other.model->logit_scale.detach().fill_(1);
  save_checkpoint(at("hidden"), other, {.overwrite = true});
  const std::string changed = refusal(at("far/away/a"));
  EXPECT_NE(changed.find("hidden holds other weights"), std::string::npos) << changed;
}

/// Relative as the file system has it: from where the folder lies, not from where a link to it stands.
TEST_F(CheckpointAdapters, FindTheirBaseThroughALink) {
  fs::create_directories(at("both/runs"));
  fs::rename(at("base"), at("both/base"));
  Checkpoint written = load_checkpoint(at("both/base"));
  add_adapter(written, kUsualAdapter, peft("second"));
  written.adapter_only = true;
  save_checkpoint(at("both/runs/a"), written);
  const std::string hash = weights_hash(written.model);
  fs::rename(at("both"), at("elsewhere"));  // so that the absolute path does not help
  fs::create_directory_symlink(at("elsewhere/runs/a"), at("link"));
  EXPECT_EQ(weights_hash(load_checkpoint(at("link")).model), hash);
  EXPECT_EQ(checkpoint_sources(at("link")).back(), fs::canonical(at("elsewhere/base")));
  fs::create_directory_symlink(at("elsewhere/runs"), at("runs"));
  EXPECT_EQ(weights_hash(load_checkpoint(at("runs/a")).model), hash);
}

TEST_F(CheckpointAdapters, SayTheirBasesPlaceFromAFolderThatIsYetToCome) {
  const CheckpointBase base{at("base"), "hash"};
  const fs::path here = fs::current_path();
  fs::current_path(at(""));
  const Json json = base_json(base, "run/best");
  fs::current_path(here);
  EXPECT_EQ(json["path"], "../../base");
}

/// A reader of format 1 knows weights of their own and one adapter, which it uses.
TEST_F(CheckpointAdapters, HaveANumberThatOlderReadersRefuseWhereTheyWouldGoWrong) {
  const auto format = [&](const Checkpoint& checkpoint) {
    save_checkpoint(at("c"), checkpoint, {.overwrite = true});
    return read_json(at("c/config.json"))["format"].get<int>();
  };
  Checkpoint one = adapted({"bias_all"});
  EXPECT_EQ(format(one), 2) << "its base lies elsewhere";
  EXPECT_NO_THROW(load_checkpoint(at("c")));
  EXPECT_NO_THROW(adapter_options(at("c"), ""));
  one.adapter_only = false;
  EXPECT_EQ(format(one), 1);
  one.model->adapters.use("");
  EXPECT_EQ(format(one), 2) << "it is there, but not used";
  Checkpoint named = adapted({"second"});
  named.adapter_only = false;
  EXPECT_EQ(format(named), 2) << "it is called otherwise";
  EXPECT_EQ(format(load_checkpoint(at("base"))), 1);

  Json json = read_json(at("c/config.json"));
  json["format"] = 3;
  write_json(at("c/config.json"), json);
  EXPECT_NE(refusal(at("c")).find("format 3 is newer than this build (2)"), std::string::npos);
}

TEST_F(CheckpointAdapters, OfABaseInBf16AreReadOntoTheSame) {
  Checkpoint written = load_checkpoint(at("base"));
  LoraOptions options;
  options.rank = 2;
  written.model->attach_lora(options, {"logit_scale"});
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : written.model->parameters())
      if (parameter.requires_grad()) parameter.add_(torch::randn_like(parameter) * 0.1);
  }
  written.model->adapters.store_base(torch::kBFloat16);
  written.adapter_only = true;
  save_checkpoint(at("a"), written);
  Checkpoint read = load_checkpoint(at("a"));
  const torch::NoGradGuard no_grad;
  EXPECT_LE(max_difference(read.model->encode_text(tiny_ids()), written.model->encode_text(tiny_ids())), 1e-6);
  EXPECT_EQ(read.model->logit_scale.item<float>(), written.model->logit_scale.item<float>());
  read.adapter_only = true;  // and again
  save_checkpoint(at("b"), read);
  EXPECT_EQ(weights_hash(load_checkpoint(at("b")).model), weights_hash(read.model));

  const std::string rounded = refusal(at("base"), at("a").string());
  EXPECT_NE(rounded.find("trained on weights rounded to bfloat16 than"), std::string::npos) << rounded;
  save_checkpoint(at("plain"), adapted({"second"}));
  EXPECT_NE(refusal(at("a"), at("plain").string()).find("not rounded to bfloat16"), std::string::npos);
}

/// The one in use of a checkpoint with several, or one of them by its folder: both know their base.
TEST_F(CheckpointAdapters, AreTakenFromACheckpointWithSeveral) {
  save_checkpoint(at("c"), adapted({"bias_all", "second"}));
  Checkpoint chosen = load_checkpoint(at("base"), at("c").string());
  EXPECT_LE(distance(chosen, "second"), 1e-5);
  Checkpoint named = load_checkpoint(at("base"), at("c/adapters/second").string());
  EXPECT_LE(distance(named, "second"), 1e-5);
  Checkpoint other = load_checkpoint(at("base"));
  other.model->logit_scale.detach().fill_(1);
  save_checkpoint(at("other"), other);
  for (const char* folder : {"c", "c/adapters/second"})
    EXPECT_NE(refusal(at("other"), at(folder).string()).find("trained on other weights than"), std::string::npos) << folder;
}

TEST_F(CheckpointAdapters, AreSeveralByName) {
  Checkpoint written = adapted({"bias_all", "second", "dora"});
  save_checkpoint(at("c"), written);
  EXPECT_TRUE(fs::exists(at("c/adapters/second/adapter_model.safetensors")));
  Checkpoint read = load_checkpoint(at("c"));
  EXPECT_EQ(read.model->adapters.names(), (std::vector<std::string>{"default", "dora", "second"}));
  EXPECT_EQ(read.model->adapters.used(), "dora") << "the one that was in use";
  EXPECT_LE(distance(read, "dora"), 1e-5);
  Checkpoint other = load_checkpoint(at("c"), "second");
  EXPECT_LE(distance(other, "second"), 1e-5);
  other.adapter_only = true;
  save_checkpoint(at("d"), other);
  Checkpoint again = load_checkpoint(at("d"), "default");
  EXPECT_LE(distance(again, "bias_all"), 1e-5);
  EXPECT_EQ(load_checkpoint(at("d")).model->adapters.used(), "second");
  EXPECT_EQ(weights_hash(load_checkpoint(at("c"), kNoAdapter).model), weights_hash(load_checkpoint(at("base")).model));
  EXPECT_TRUE(adapter_options(at("c"), "").dora);
  EXPECT_EQ(adapter_options(at("c"), "default").bias, "all");

  const std::string unknown = refusal(at("c"), "secnd");
  EXPECT_NE(unknown.find("which has default, dora, second; did you mean \"second\""), std::string::npos) << unknown;
  Json json = read_json(at("c/config.json"));
  json["adapters"] = {"../base"};
  write_json(at("c/config.json"), json);
  EXPECT_NE(refusal(at("c")).find("cannot name an adapter"), std::string::npos);
}

TEST_F(CheckpointAdapters, AFolderOfPeftsStandsInTheirPlace) {
  Checkpoint with = load_checkpoint(at("base"), peft("second").string());
  EXPECT_LE(distance(with, "second"), 1e-5);
  save_checkpoint(at("c"), adapted({"bias_all"}));
  Checkpoint instead = load_checkpoint(at("c"), peft("dora").string());
  EXPECT_EQ(instead.model->adapters.names(), std::vector<std::string>{kUsualAdapter});
  EXPECT_LE(distance(instead, "dora"), 1e-5);
  EXPECT_EQ(adapter_options(at("base"), peft("patterns").string()).rank, 4);
  EXPECT_NE(invalid_input_of([&] { adapter_options(at("base"), ""); }).find("no adapter of it is in use"),
            std::string::npos);
  EXPECT_NE(refusal(at("base"), at("base").string()).find("holds no adapter_config.json"), std::string::npos);

  Checkpoint other = load_checkpoint(at("base"));  // an adapter knows its base
  other.model->logit_scale.detach().fill_(1);
  save_checkpoint(at("other"), other);
  const std::string foreign = refusal(at("other"), at("c").string());
  EXPECT_NE(foreign.find("trained on other weights than"), std::string::npos) << foreign;
}

TEST_F(CheckpointAdapters, OfEarlierVersionsAreRead) {
  const fs::path base = golden("formats/v1/checkpoint");
  for (const char* name : {"formats/v1/adapters", "formats/v2/adapters"}) {
    const Checkpoint checkpoint = load_checkpoint(golden(name));
    EXPECT_EQ(checkpoint.model->adapters.names(), std::vector<std::string>{"night"});
    EXPECT_EQ(checkpoint.base->directory, fs::canonical(base)) << name;
    EXPECT_EQ(weights_hash(checkpoint.model), weights_hash(load_checkpoint(base).model)) << name;
  }
}

TEST_F(CheckpointAdapters, AreSavedWithoutACopy) {
  const Checkpoint checkpoint = adapted({"second"});
  const auto tensors = model_tensors(checkpoint.model);
  const auto parameters = checkpoint.model->named_parameters();
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor* parameter = parameters.find(name);
    ASSERT_NE(parameter, nullptr) << name;
    EXPECT_EQ(static_cast<const void*>(tensor.raw()), parameter->data_ptr()) << name;
  }
}

}  // namespace
}  // namespace edgeclip
