"""Triton's Python backend around the converted network: one onnxruntime run for each batch that Triton gathered."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

INPUTS = ("image", "patient_facts")


class TritonPythonModel:
    """Triton finds the class by this name."""

    def initialize(self, args):
        """Loads model.onnx beside this file; Triton reports the model as unavailable if that fails."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Idle threads sleep: in the demo Kafka and the FHIR server need the same cores (costs 3 ms an image).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        network = Path(__file__).with_name("model.onnx")
        self.session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
        self.outputs = [each.name for each in self.session.get_outputs()]

    def execute(self, requests):
        """Answers requests of any batch sizes in the order in which they came."""
        parts = {name: [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests] for name in INPUTS}
        answers = self.session.run(self.outputs, {name: np.concatenate(arrays) for name, arrays in parts.items()})
        ends = np.cumsum([len(image) for image in parts["image"]])[:-1]
        answered = zip(requests, *(np.split(answer, ends) for answer in answers), strict=True)
        return [pb_utils.InferenceResponse(self.asked(request, values)) for request, *values in answered]

    def asked(self, request, values):
        """The outputs that this request asks for."""
        wanted = set(request.requested_output_names())
        return [pb_utils.Tensor(name, value) for name, value in zip(self.outputs, values, strict=True) if name in wanted]
