#pragma once

#include <string>

/// How a run averages, keeps and ends: what of TrainOptions changes no step.
namespace edgeclip {

struct AverageOptions {
  double decay = 0;  ///< 0: off

  template <class Visitor>
  void fields(Visitor& v) {
    v("decay", decay,
      "of the exponential moving average of the weights, 0.999 for example, that is validated and kept in their place; 0: off");
  }
  void validate(const std::string& where) const;
};

struct SavingOptions {
  int every_steps = 0;
  double every_minutes = 10;
  int keep = 0;
  bool base = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("every_steps", every_steps, "steps after which the run's state is saved, beside each validation; 0: by time alone");
    v("every_minutes", every_minutes, "minutes after which the run's state is saved, beside each validation; 0: never");
    v("keep", keep, "so many checkpoints of the last saved steps stay in checkpoints/, beside best and final");
    v("base", base, "checkpoints of an adapter hold the weights of its base too, instead of the place where they lie");
  }
  void validate(const std::string& where) const;
};

struct EarlyStoppingOptions {
  int patience = 0;
  double min_delta = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("patience", patience, "validations in a row without a better best_by after which the run ends; 0: off");
    v("min_delta", min_delta, "by how much it must be better, in its own unit (percent; a loss as it is)");
  }
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
