#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/c_api/edgeclip_engine.h"
#include "engine/plan/plan.h"
#include "engine/runtime/session.h"

namespace edgeclip::c_api {

/// What contexts share with the session they were made of, and keep when it is closed.
struct OpenedGraph {
  std::optional<engine::PlanInfo> plan;  ///< none: a single .plan file
  std::string name;                      ///< in the plan
  engine::Session session;

  const engine::Graph& graph() const { return session.graph(); }
};

}  // namespace edgeclip::c_api

/// Immutable.
struct edgeclip_session {
  /// Of an input or output; dims of -1 where they are not known.
  struct Info {
    std::string name;
    edgeclip::DType dtype;
    std::optional<edgeclip::Shape> dims, least, most;
  };

  std::shared_ptr<const edgeclip::c_api::OpenedGraph> opened;
  std::vector<Info> inputs, outputs;
};
