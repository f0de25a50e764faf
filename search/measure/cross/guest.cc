// Runs a library with TVM's runtime alone. It is built for another architecture, and an emulator runs it
// (search/measure/cross/emulator.py).
//
//   guest network LIBRARY FOLDER REPEAT SPEC...    a network: SPECs are its inputs, and what comes out is written
//   guest program LIBRARY FOLDER REPEAT SPEC...    one tensor program: SPECs are its arguments, and all are written
//
// A SPEC is DTYPE:SHAPE, such as float32:1x3x224x224. Numbers are read from FOLDER/0.in, 1.in, ... and written to
// FOLDER/0.out, 1.out, ...; each that is written is told as a line "out DTYPE SHAPE", each run as "secs S".
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/dtype.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace ffi = tvm::ffi;

namespace {

// Generated code takes tensors to begin at a multiple of 64 bytes.
struct AlignedAlloc {
  void AllocData(DLTensor* tensor) {
    size_t bytes = ffi::GetDataSize(*tensor);
    tensor->data = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

std::string PathOf(const std::string& folder, size_t place, const char* suffix) {
  return folder + "/" + std::to_string(place) + suffix;
}

ffi::Tensor ReadTensor(const std::string& spec, const std::string& path) {
  size_t colon = spec.find(':');
  if (colon == std::string::npos) throw std::runtime_error("not a DTYPE:SHAPE: " + spec);
  std::vector<int64_t> shape;
  for (size_t begin = colon + 1; begin < spec.size();) {
    size_t end = spec.find('x', begin);
    if (end == std::string::npos) end = spec.size();
    shape.push_back(std::stoll(spec.substr(begin, end - begin)));
    begin = end + 1;
  }
  ffi::Tensor tensor = ffi::Tensor::FromNDAlloc(AlignedAlloc(), ffi::Shape(shape),
                                                ffi::StringToDLDataType(spec.substr(0, colon)),
                                                DLDevice{kDLCPU, 0});
  std::ifstream file(path, std::ios::binary);
  auto bytes = static_cast<std::streamsize>(ffi::GetDataSize(*tensor.GetDLTensorPtr()));
  if (!file.read(static_cast<char*>(tensor.data_ptr()), bytes)) throw std::runtime_error("too short: " + path);
  return tensor;
}

void Write(const ffi::Tensor& tensor, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(tensor.data_ptr()),
             static_cast<std::streamsize>(ffi::GetDataSize(*tensor.GetDLTensorPtr())));
  if (!file.flush()) throw std::runtime_error("cannot be written: " + path);
  std::printf("out %s ", std::string(ffi::DLDataTypeToString(tensor.dtype())).c_str());
  for (int i = 0; i < tensor.ndim(); ++i) {
    std::printf("%s%lld", i ? "x" : "", static_cast<long long>(tensor.size(i)));
  }
  std::printf("\n");
}

int Run(int argc, char** argv) {
  if (argc < 5) throw std::runtime_error("usage: guest network|program LIBRARY FOLDER REPEAT SPEC...");
  bool is_network = std::string(argv[1]) == "network";
  std::string folder = argv[3];
  ffi::Module library = ffi::Module::LoadFromFile(argv[2]);
  if (is_network) {
    library = library->GetFunction("vm_load_executable").value()().cast<ffi::Module>();
    library->GetFunction("vm_initialization").value()(static_cast<int>(kDLCPU), 0, 2);
  }
  ffi::Function main = library->GetFunction("main").value();
  std::vector<ffi::Tensor> tensors;
  std::vector<ffi::AnyView> arguments;
  for (int i = 5; i < argc; ++i) tensors.push_back(ReadTensor(argv[i], PathOf(folder, tensors.size(), ".in")));
  for (const ffi::Tensor& tensor : tensors) arguments.emplace_back(tensor);
  ffi::Any found;
  for (int turn = 0; turn < std::atoi(argv[4]); ++turn) {
    auto started = std::chrono::steady_clock::now();
    main.CallPacked(arguments.data(), static_cast<int32_t>(arguments.size()), &found);
    std::printf("secs %.9g\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  }
  if (is_network) {
    tensors.clear();
    if (auto tensor = found.try_cast<ffi::Tensor>()) {
      tensors.push_back(*tensor);
    } else {
      for (const ffi::Any& one : found.cast<ffi::Array<ffi::Any>>()) tensors.push_back(one.cast<ffi::Tensor>());
    }
  }
  for (size_t i = 0; i < tensors.size(); ++i) Write(tensors[i], PathOf(folder, i, ".out"));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
