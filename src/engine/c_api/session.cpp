#include "engine/c_api/session.h"

#include <filesystem>

#include "base/file.h"
#include "base/io_error.h"
#include "base/threads.h"
#include "engine/c_api/call.h"
#include "engine/plan/plan_file.h"

namespace edgeclip::c_api {

namespace {

constexpr std::size_t kFirstOptions = sizeof(edgeclip_session_options);
constexpr std::size_t kFirstInfo = sizeof(edgeclip_tensor_info);

engine::SessionOptions session_options(const edgeclip_session_options* given) {
  const edgeclip_session_options options = read_struct(given, kFirstOptions, "options");
  if (options.threads < 0 || options.threads > 65536)
    invalid_input("options: threads {} is not within 0 to 65536", options.threads);
  if (options.packed_cache != 0 && options.packed_cache != 1)
    invalid_input("options: packed_cache {} is not 0 or 1", options.packed_cache);
  if (options.memory_pool_mb != 0)
    engine::check_memory_pool_mb(options.memory_pool_mb, "options: memory_pool_mb");
  engine::SessionOptions session;
  session.threads = options.threads > 0 ? options.threads : available_cpus();
  session.memory_pool_mb = options.memory_pool_mb;
  session.packed_cache = options.packed_cache != 0;
  session.log = log_to(options.log, options.log_user);
  return session;
}

std::shared_ptr<const OpenedGraph> open_graph(const std::string& path, const char* graph,
                                              engine::SessionOptions options) {
  if (file_type_at(path) != std::filesystem::file_type::directory) {
    require_file(path, "plan");
    if (graph != nullptr) invalid_input("graph {}: {} is no plan folder", graph, path);
    if (options.memory_pool_mb == 0) options.memory_pool_mb = engine::SessionOptions().memory_pool_mb;
    return std::make_shared<OpenedGraph>(
        OpenedGraph{{}, {}, engine::Session(engine::read_plan_graph(path), options)});
  }
  engine::PlanInfo plan = engine::open_plan_info(path);
  if (graph == nullptr && plan.graphs.size() > 1)
    invalid_input("{}: has several graphs ({}); name one", path, fmt::join(plan.graphs, ", "));
  const std::string name = graph == nullptr ? plan.graphs.at(0) : graph;
  if (options.memory_pool_mb == 0) options.memory_pool_mb = plan.memory_pool_mb;
  engine::Session session(engine::open_plan_graph(plan, name), options);
  return std::make_shared<OpenedGraph>(OpenedGraph{std::move(plan), name, std::move(session)});
}

std::vector<edgeclip_session::Info> infos_of(const engine::Graph& graph,
                                             const std::vector<engine::ValueId>& values) {
  std::vector<edgeclip_session::Info> infos;
  for (const engine::ValueId id : values) {
    const engine::Value& value = graph.value(id);
    infos.push_back({value.name, value.dtype, value.shape, {}, {}});
  }
  return infos;
}

void add_ranges(const OpenedGraph& opened, std::vector<edgeclip_session::Info>& inputs) {
  if (!opened.plan) return;
  const auto found = opened.plan->shapes.find(opened.name);
  if (found == opened.plan->shapes.end()) return;
  EDGECLIP_CHECK(found->second.size() == inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].least = found->second[i].range.min;
    inputs[i].most = found->second[i].range.max;
    if (!inputs[i].dims) inputs[i].dims = Shape(inputs[i].least->size(), -1);
  }
}

void write_info(const std::vector<edgeclip_session::Info>& infos, std::size_t index, const char* what,
                edgeclip_tensor_info* info) {
  require_index(index, infos.size(), what);
  const edgeclip_session::Info& from = infos[index];
  const auto dims = [](const std::optional<Shape>& shape) { return shape ? shape->data() : nullptr; };
  edgeclip_tensor_info to{};
  to.name = from.name.c_str();
  to.dtype = static_cast<edgeclip_dtype>(from.dtype);
  to.rank = from.dims ? static_cast<std::int32_t>(from.dims->size()) : -1;
  to.dims = dims(from.dims);
  to.min_dims = dims(from.least);
  to.max_dims = dims(from.most);
  write_struct(info, kFirstInfo, "info", to);
}

}  // namespace

}  // namespace edgeclip::c_api

using namespace edgeclip::c_api;

extern "C" {

edgeclip_status edgeclip_session_open(const char* path, const char* graph,
                                      const edgeclip_session_options* options, edgeclip_session** session) {
  return guarded([&] {
    required(session, "session") = nullptr;
    auto made = std::make_unique<edgeclip_session>();
    made->opened = open_graph(&required(path, "path"), graph, session_options(options));
    const edgeclip::engine::Graph& opened = made->opened->graph();
    made->inputs = infos_of(opened, opened.inputs);
    made->outputs = infos_of(opened, opened.outputs);
    add_ranges(*made->opened, made->inputs);
    *session = made.release();
  });
}

void edgeclip_session_close(edgeclip_session* session) { delete session; }

size_t edgeclip_input_count(const edgeclip_session* session) {
  return session == nullptr ? 0 : session->inputs.size();
}

size_t edgeclip_output_count(const edgeclip_session* session) {
  return session == nullptr ? 0 : session->outputs.size();
}

edgeclip_status edgeclip_input_info(const edgeclip_session* session, size_t index,
                                    edgeclip_tensor_info* info) {
  return guarded([&] { write_info(required(session, "session").inputs, index, "input", info); });
}

edgeclip_status edgeclip_output_info(const edgeclip_session* session, size_t index,
                                     edgeclip_tensor_info* info) {
  return guarded([&] { write_info(required(session, "session").outputs, index, "output", info); });
}

}  // extern "C"
