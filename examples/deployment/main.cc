// Runs a library that `tunedb compile` made, with TVM's runtime alone: no Python, no compiler.
//
//   ./main model.so 16x64     runs it once on a float32 input of that shape and prints what comes out
//
// Built by: make -C examples/deployment (see there which libraries it needs).
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace ffi = tvm::ffi;

namespace {

// Generated code takes tensors to begin at a multiple of 64 bytes.
struct AlignedAlloc {
  void AllocData(DLTensor* tensor) {
    size_t bytes = ffi::GetDataSize(*tensor);
    tensor->data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

std::vector<int64_t> ParseShape(const std::string& text) {
  std::vector<int64_t> shape;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('x', begin);
    if (end == std::string::npos) end = text.size();
    shape.push_back(std::stoll(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return shape;
}

void Print(const ffi::Tensor& tensor) {
  const auto* data = static_cast<const float*>(tensor.data_ptr());
  for (int64_t i = 0; i < tensor.numel(); ++i) std::printf("%.6g\n", data[i]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s LIBRARY SHAPE\n", argv[0]);
    return 2;
  }
  ffi::Module library = ffi::Module::LoadFromFile(std::filesystem::absolute(argv[1]).string());
  ffi::Module machine = library->GetFunction("vm_load_executable").value()().cast<ffi::Module>();
  machine->GetFunction("vm_initialization").value()(static_cast<int>(kDLCPU), 0, 2);

  ffi::Tensor input = ffi::Tensor::FromNDAlloc(AlignedAlloc(), ffi::Shape(ParseShape(argv[2])),
                                               DLDataType{kDLFloat, 32, 1}, DLDevice{kDLCPU, 0});
  auto* data = static_cast<float*>(input.data_ptr());
  for (int64_t i = 0; i < input.numel(); ++i) data[i] = static_cast<float>(i % 7) / 7.0f;

  ffi::Any found = machine->GetFunction("main").value()(input);
  if (auto tensor = found.try_cast<ffi::Tensor>()) {
    Print(*tensor);
  } else {
    for (const ffi::Any& one : found.cast<ffi::Array<ffi::Any>>()) Print(one.cast<ffi::Tensor>());
  }
  return 0;
}
