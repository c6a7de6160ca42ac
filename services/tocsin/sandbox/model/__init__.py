"""The reference model: fetched by hash, converted to ONNX without TensorFlow, laid out for Triton."""
