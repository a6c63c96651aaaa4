#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/signals.h"

namespace edgeclip::test {

/// Sets the interrupt flag once `first` is there (if it is named) and the run has logged so many steps; clears it when the scope ends.
class InterruptAfter {
 public:
  InterruptAfter(std::filesystem::path metrics, std::size_t steps, std::filesystem::path first = {})
      : thread_([this, metrics = std::move(metrics), steps, first = std::move(first)] {
          while (!stop_) {
            if (!first.empty() && !std::filesystem::exists(first)) {
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
              continue;
            }
            std::ifstream file(metrics);
            std::size_t lines = 0;
            for (std::string line; std::getline(file, line);) ++lines;
            if (lines >= steps) {
              set_interrupted(true);
              return;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }) {}
  ~InterruptAfter() {
    stop_ = true;
    thread_.join();
    set_interrupted(false);
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace edgeclip::test
