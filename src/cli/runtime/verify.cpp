#include "builder/verify.h"

#include "base/threads.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "dual_encoder/plan_encoder.h"

namespace edgeclip {

namespace {

struct Options : builder::VerifyOptions {
  std::string plan;

  template <class Visitor>
  void fields(Visitor& v) {
    v("bundle", bundle, "bundle folder");
    v("plan", plan, "plan built from it: compared instead of the bundle's ONNX files");
    v("max_abs", max_abs, "largest allowed difference of unit embeddings (fp32)");
    v("min_cosine", min_cosine, "smallest allowed cosine (fp32)");
    v("half_min_cosine", half_min_cosine, "smallest allowed cosine (bf16 and fp16 plans)");
    v("int8_min_cosine", int8_min_cosine, "smallest allowed cosine (int8 bundles and plans)");
  }
  void validate(const std::string& where) const {
    if (!(max_abs >= 0)) invalid_input("{}max_abs: {} is not at least 0", where, max_abs);
    for (const double cosine : {min_cosine, half_min_cosine, int8_min_cosine})
      if (!(cosine >= -1 && cosine <= 1))
        invalid_input("{}min_cosine: {} is no cosine (-1 to 1)", where, cosine);
  }
};

Json run_verify(const builder::VerifyOptions& options, const builder::PlanUnderTest* plan = nullptr) {
  const Json report = builder::verify_bundle(options, plan);
  std::size_t failed = 0;
  print(fmt::format("{:<28} {:>12} {:>12}  {}\n", "case", "max abs", "cosine", "result"));
  for (const auto& one : report.at("cases")) {
    const bool passed = one.at("passed").get<bool>();
    failed += passed ? 0 : 1;
    // Null: not comparable, because of another shape or NaN.
    const auto number = [&](const char* key, const char* format) {
      return one.at(key).is_null() ? std::string("-")
                                   : fmt::format(fmt::runtime(format), one.at(key).get<double>());
    };
    print(fmt::format("{:<28} {:>12} {:>12}  {}\n", one.at("name").get<std::string>(),
                      number("max_abs", "{:.2e}"), number("cosine", "{:.8f}"),
                      passed ? "ok" : one.value("reason", "OUTSIDE TOLERANCE")));
  }
  if (!report.at("passed").get<bool>()) {
    const Json& first = report.at("first_layer");
    throw CheckNotMetWithReport(
        fmt::format("{}: {} of {} cases are outside tolerance {}{}", options.bundle, failed, report.at("cases").size(),
                    report.at("tolerance").dump(), first.is_null() ? "" : fmt::format("; the first layer that differs gives {}", first.get<std::string>())),
        report);
  }
  return report;
}

class VerifyCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "verify"; }
  const char* summary() const override {
    return "Replays a bundle's reference inputs through the engine and compares";
  }
  const char* example() const override { return "verify --bundle bundle/"; }

 protected:
  Json execute(const Options& options) override {
    require(options.bundle, "--bundle");
    if (options.plan.empty()) return run_verify(options);
    PlanEncoder plan(options.plan, {thread_count()});
    const builder::PlanUnderTest tested = {
        options.plan, plan.precision(), options_to_json(plan.card()),
        [&](const TensorView& pixels) { return plan.encode_images(pixels); },
        [&](const TensorView& tokens) { return plan.encode_tokens(tokens); }};
    return run_verify(options, &tested);
  }
};

}  // namespace

Json verify_and_print(const std::string& bundle) {
  builder::VerifyOptions options;
  options.bundle = bundle;
  return run_verify(options);
}

std::unique_ptr<Command> verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace edgeclip
