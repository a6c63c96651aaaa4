#pragma once

#include <utility>

#include "engine/cpu/onednn.h"

namespace edgeclip::engine {

/// A primitive with one source and one destination of the node's first input and output.
class UnaryOneDnnKernel : public Kernel {
 public:
  UnaryOneDnnKernel(OneDnnCall call, const dnnl::memory::desc& source, const dnnl::memory::desc& destination)
      : call_(std::move(call)) {
    source_ = call_.bind(DNNL_ARG_SRC, source);
    destination_ = call_.bind(DNNL_ARG_DST, destination);
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, inputs[0].data);
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::size_t source_ = 0, destination_ = 0;
};

}  // namespace edgeclip::engine
