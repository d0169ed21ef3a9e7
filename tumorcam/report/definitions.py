"""What each saliency method and each view is, in a sentence for the page."""

DEFINITIONS = {
    "guided_grad_cam": (
        "Guided Grad-CAM multiplies guided backpropagation with the regions that the last "
        "convolution looks at."
    ),
    "guided_grad_cam_shared": (
        "This Guided Grad-CAM uses the same regions for all tumors of a sample."
    ),
    "guided_backprop": (
        "Guided backpropagation follows the gradient back to the pixels and keeps only positive "
        "signals."
    ),
    "guided_gradient": (
        "The guided gradient is the geometric mean of guided backpropagation and the gradient, "
        "where the two agree."
    ),
    "gradient_x_input": (
        "Gradient × input multiplies each gene's value with the slope of the tumor's output."
    ),
    "gradient": "The gradient is the slope of the tumor's output by each gene's value.",
    "grad_cam": "Grad-CAM marks the regions that the last convolution looks at.",
    "integrated_gradients": (
        "Integrated gradients add up the slopes on the way from the mean sample to this one."
    ),
    "smooth_grad": "SmoothGrad averages the gradients of noisy copies of a sample.",
    "own": "The own view takes the map for the sample's own tumor.",
    "contrast": "The contrast view subtracts from it the mean map of rival tumors.",
}
