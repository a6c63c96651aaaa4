#include "train/run_state.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/signals.h"
#include "support/support.h"
#include "train/interrupt_after.h"
#include "train/run_folder.h"
#include "train/start.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

class RunStateTest : public test::TinyTraining {
 protected:
  Json run(const std::string& out, const std::function<void(TrainOptions&)>& change, const TrainPaths* where = nullptr) {
    TrainOptions options = test::tiny_train_options();
    options.epochs = 3;
    change(options);
    return train(options, where != nullptr ? *where : paths(out));
  }
  static std::string weights(const std::string& checkpoint) { return weights_hash(load_checkpoint(at(checkpoint)).model); }
};

TEST_F(RunStateTest, HoldsWhatTrainsAlone) {
  run("base", [](TrainOptions&) {});
  TrainPaths adapt = paths("adapter", "base/final");
  const auto adapter = [](TrainOptions& o) {
    o.model = ModelConfig();
    o.lora_mode = "adapter";
    o.lora.rank = 2;
  };
  run("adapter", adapter, &adapt);
  const SafetensorsFile state(at("adapter") / "state.safetensors");
  for (const std::string& name : state.names())
    EXPECT_TRUE(name.rfind("model.", 0) != 0 || name.find("lora_") != std::string::npos) << name;
  EXPECT_LT(fs::file_size(at("adapter") / "state.safetensors"), fs::file_size(at("base") / "state.safetensors") / 3);

  // The frozen weights come from --init again, and must be those of then.
  run("other", [](TrainOptions& o) { o.seed = 9; });
  fs::rename(at("base"), at("base_of_then"));
  fs::rename(at("other"), at("base"));
  adapt.resume = true;
  const std::string message = test::invalid_input_of([&] { run("adapter", adapter, &adapt); });
  EXPECT_NE(message.find("weights that do not train are others"), std::string::npos) << message;
}

TEST_F(RunStateTest, AnAdaptersBaseIsFoundFromWhereTheRunComesToStand) {
  run("below/base", [](TrainOptions&) {});
  TrainPaths adapt = paths("below/adapter", "below/base/final");
  const auto adapter = [](TrainOptions& o) {
    o.model = ModelConfig();
    o.lora_mode = "adapter";
    o.lora.rank = 2;
  };
  run("below/adapter", adapter, &adapt);
  adapt.overwrite = true;  // the new run is made in a folder one level deeper
  run("below/adapter", adapter, &adapt);
  for (const char* name : {"best", "final"}) {
    const fs::path place = at("below/adapter") / name;
    const fs::path base = place / read_json(place / "config.json")["base"]["path"].get<std::string>();
    EXPECT_TRUE(fs::exists(base / "model.safetensors")) << base;
  }
  fs::rename(at("below"), at("moved"));
  EXPECT_NO_THROW(load_checkpoint(at("moved/adapter/best")));
}

TEST_F(RunStateTest, IsSavedBetweenValidationsAndKeepsCheckpoints) {
  run("saved", [](TrainOptions& o) {
    o.validate_every = 100;
    o.steps = 10;
    o.saving.every_steps = 3;
    o.saving.keep = 2;
  });
  std::vector<std::string> kept;
  for (const auto& entry : fs::directory_iterator(at("saved") / "checkpoints")) kept.push_back(entry.path().filename());
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(kept, (std::vector<std::string>{"step_00000009", "step_00000010"}));
  EXPECT_EQ(weights("saved/checkpoints/step_00000010"), weights("saved/final"));
  EXPECT_NE(weights("saved/checkpoints/step_00000009"), weights("saved/final"));
}

TEST_F(RunStateTest, LatestIsTheRunItselfOrTheLastSavedInTheFolder) {
  run("runs/a", [](TrainOptions& o) { o.epochs = 1; });
  run("runs/b", [](TrainOptions& o) { o.epochs = 1; });
  EXPECT_EQ(latest_run(at("runs/a")), at("runs/a"));
  EXPECT_EQ(latest_run(at("runs")), at("runs/b"));
  fs::last_write_time(at("runs/a/state.safetensors"), fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(latest_run(at("runs")), at("runs/a"));
  EXPECT_TRUE(latest_run(at("no_such_folder")).empty());
}

TEST_F(RunStateTest, TheAverageIsKeptAndGoesOn) {
  const auto averaged = [](TrainOptions& o) {
    o.average.decay = 0.9;
    o.validate_every = 2;
    o.steps = 12;
  };
  run("plain", [](TrainOptions& o) {
    o.validate_every = 2;
    o.steps = 12;
  });
  run("averaged", averaged);
  EXPECT_NE(weights("averaged/final"), weights("plain/final"));
  // Training itself does not see it.
  const SafetensorsFile a(at("averaged") / "state.safetensors"), b(at("plain") / "state.safetensors");
  for (const std::string& name : b.names()) {
    const Tensor x = a.get(name), y = b.get(name);
    EXPECT_EQ(hash_bytes(x.raw(), x.bytes()), hash_bytes(y.raw(), y.bytes())) << name;
  }
  const auto stop = [&](TrainOptions& o) {
    averaged(o);
    o.saving.every_steps = 1;
  };
  {
    TrainOptions options = test::tiny_train_options();
    options.epochs = 3;
    stop(options);
    const test::InterruptAfter interrupt(at("averaged2") / "metrics.jsonl", 5);
    EXPECT_THROW(train(options, paths("averaged2")), Interrupted);
  }
  const TrainPaths again = paths("averaged2", "", true);
  run("averaged2", stop, &again);
  EXPECT_EQ(weights("averaged2/final"), weights("averaged/final"));
  EXPECT_EQ(weights("averaged2/best"), weights("averaged/best"));
}

TEST(WeightAverage, IsTheFormulaByHandAndChangesPlaces) {
  torch::Tensor x = torch::zeros({2}).requires_grad_(true);
  WeightAverage average({{"x", x, false}}, 0.15);
  double mean = 0;
  for (int step = 1; step <= 3; ++step) {
    {
      const torch::NoGradGuard no_graph;
      x.add_(1);
    }
    average.add(step);
    const double decay = std::min(0.15, (1.0 + step) / (10.0 + step));
    mean = decay * mean + (1 - decay) * step;
  }
  {
    const WeightAverage::InUse averaged(&average);
    EXPECT_NEAR(x[0].item<double>(), mean, 1e-6);
    EXPECT_NEAR(x[1].item<double>(), mean, 1e-6);
  }
  EXPECT_EQ(x[0].item<double>(), 3);
}

TEST_F(RunStateTest, StopsEarlyAndStaysStopped) {
  const auto patient = [](TrainOptions& o) {
    o.optimizer.lr = 1e-9;  // nothing gets better
    o.validate_every = 1;
    o.steps = 40;
    o.early_stopping.patience = 3;
  };
  const Json report = run("early", patient);
  EXPECT_TRUE(report["stopped_early"].get<bool>());
  EXPECT_EQ(report["steps"], report["best"]["step"].get<int>() + 3);
  EXPECT_LT(report["steps"], 40);
  const TrainPaths again = paths("early", "", true);
  EXPECT_EQ(run("early", patient, &again)["steps"], report["steps"]);
}

TEST_F(RunStateTest, BestIsByAnyFigureOfTheValidation) {
  for (const char* figure : {"R@5", "mINP", "image_to_text.mAP", "loss", "losses.contrastive"}) {
    SCOPED_TRACE(figure);
    const Json report = run(fmt::format("by_{}", fs::path(figure).string()), [&](TrainOptions& o) {
      o.best_by = figure;
      o.epochs = 1;
    });
    EXPECT_EQ(report["best"]["by"], figure);
  }
  const auto refused = [&](const char* figure) {
    return test::invalid_input_of([&] { run("refused", [&](TrainOptions& o) { o.best_by = figure; }); });
  };
  EXPECT_NE(refused("accuracy").find("best_by: accuracy: is no figure"), std::string::npos);
  EXPECT_NE(refused("losses.sdm").find("these are: contrastive"), std::string::npos);
}

TEST_F(RunStateTest, ReadsTheStateOfAnEarlierVersion) {
  run("older", [](TrainOptions& o) { o.epochs = 2; });
  run("whole", [](TrainOptions& o) { o.epochs = 2; });
  // Format 1 had no hash of what does not train, and not how often steps were left out.
  const fs::path path = at("older") / "state.safetensors";
  {
    const SafetensorsFile file(path);
    NamedTensors tensors;
    for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name).clone());
    auto metadata = file.metadata();
    metadata["format"] = "1";
    for (const char* key : {"unchanging", "skipped_steps", "skipped_in_a_row", "validations_waited", "stopped_early"})
      metadata.erase(key);
    write_safetensors(path, tensors, metadata);
  }
  const TrainPaths again = paths("older", "", true);
  EXPECT_NO_THROW(run("older", [](TrainOptions& o) { o.epochs = 2; }, &again));
  EXPECT_EQ(weights("older/final"), weights("whole/final"));
}

}  // namespace
}  // namespace edgeclip
