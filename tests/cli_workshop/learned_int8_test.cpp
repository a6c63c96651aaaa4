#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/npy.h"
#include "bundle/bundle.h"
#include "cli/runtime/commands.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"
#include "retrieval/encoder.h"
#include "support/support.h"
#include "train/tiny_dataset.h"

namespace edgeclip {
namespace {

/// From a training with int8 in the loop to a plan, command by command.
class LearnedInt8 : public testing::Test {
 protected:
  LearnedInt8() { test::write_tiny_dataset(dir_ / "data"); }
  static Json run(const std::unique_ptr<Command>& command, const std::vector<std::string>& settings) {
    CommonOptions common;
    common.set = settings;
    return command->run(common);
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  Json train(const std::string& out, std::vector<std::string> settings) {
    TrainOptions small = test::tiny_train_options();
    small.image.height = small.model.vision.image_height;
    small.image.width = small.model.vision.image_width;
    test::write_text(dir_ / (out + ".json"), options_to_json(small).dump());
    settings.insert(settings.end(), {"data=" + at("data"), "out=" + at(out)});
    CommonOptions common;
    if (settings.front().rfind("init=", 0) != 0) common.config = {at(out + ".json")};
    common.set = settings;
    return train_command()->run(common);
  }
  Tensor texts_by(const std::string& model) const {
    test::write_text(dir_ / "texts.txt", "a person in a red shirt and white trousers\na person in a blue coat and black trousers\n");
    const std::filesystem::path out = dir_ / ("encoded" + std::to_string(std::hash<std::string>()(model)));
    run(encode_command(open_checkpoint_encoder), {model, "texts=" + at("texts.txt"), "out=" + out.string()});
    return read_npy(out / "text.npy");
  }

  const test::TempDir dir_;
};

double worst_cosine_of_rows(const Tensor& a, const Tensor& b) {
  double worst = 1;
  for (std::int64_t row = 0; row < a.dim(0); ++row) {
    double sum = 0;
    for (std::int64_t j = 0; j < a.dim(1); ++j)
      sum += static_cast<double>(a.data<float>()[row * a.dim(1) + j]) * static_cast<double>(b.data<float>()[row * a.dim(1) + j]);
    worst = std::min(worst, sum);
  }
  return worst;
}

TEST_F(LearnedInt8, GoesFromTrainingToAPlanWithoutData) {
  train("run", {"epochs=3", "quantization_aware.enabled=true", "quantization_aware.momentum=0.5"});
  EXPECT_TRUE(std::filesystem::exists(dir_ / "run/best/quantization.json"));
  const Json exported = run(export_command(), {"checkpoint=" + at("run/best"), "out=" + at("bundle")});
  EXPECT_EQ(exported["learned_ranges"], true);
  const Json quantized = run(quantize_command(), {"bundle=" + at("bundle"), "out=" + at("int8")});
  EXPECT_EQ(quantized["range"], "training");
  EXPECT_EQ(quantized["quantized"]["image"], 12);
  EXPECT_EQ(quantized["quantized"]["text"], 12);
  run(build_command(), {"bundle=" + at("int8"), "precision=int8", "out=" + at("plan")});
  run(build_command(), {"bundle=" + at("bundle"), "precision=int8", "calibration=" + at("bundle/calibration.json"), "out=" + at("same_plan")});
  const Tensor texts = texts_by("checkpoint=" + at("run/best")), by_plan = texts_by("plan=" + at("plan"));
  EXPECT_GT(worst_cosine_of_rows(texts, by_plan), 0.99);
  EXPECT_GT(worst_cosine_of_rows(by_plan, texts_by("plan=" + at("same_plan"))), 0.99999);
  EXPECT_GE(run(evaluate_command(open_checkpoint_encoder), {"plan=" + at("plan"), "data=" + at("data"), "split=val"})["text_to_image"]["mAP"]
                .get<double>(),
            0);
}

TEST_F(LearnedInt8, AMergedAdapterKeepsItsRanges) {
  train("first", {"steps=2"});
  train("adapted", {"init=" + at("first/final"), "lora_mode=adapter", "steps=4", "batch=12", "precision=fp32", "quantization_aware.enabled=true"});
  run(merge_command(), {"checkpoint=" + at("adapted/final"), "out=" + at("merged")});
  EXPECT_TRUE(has_own_ranges(load_checkpoint(dir_ / "merged")));
  for (const std::string name : {"adapted/final", "merged"}) {
    const std::string bundle = name + ".bundle";
    run(export_command(), {"checkpoint=" + at(name), "out=" + at(bundle)});
    EXPECT_TRUE(std::filesystem::exists(dir_ / bundle / "calibration.json")) << name;
  }
  // Another model has none, and is told what there is to do.
  run(merge_command(), {"checkpoint=" + at("adapted/final"), "adapter=none", "out=" + at("base")});
  run(export_command(), {"checkpoint=" + at("base"), "out=" + at("base.bundle")});
  const std::string message =
      test::invalid_input_of([&] { run(quantize_command(), {"bundle=" + at("base.bundle"), "out=" + at("base.int8")}); });
  EXPECT_NE(message.find("--method static needs --data DATASET"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
