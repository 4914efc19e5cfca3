"""Auto-encoder: through a code of a few numbers and back (Hinton and Salakhutdinov 2006).

Its linear form, trained with a squared error, spans the space of the first principal components (Baldi and Hornik
1989). The data decide what it predicts: the sample itself, or the sample without noise or without a hole.
"""

from __future__ import annotations

from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Coder, Loss, Network, Output, Spec
from dlgd.models import coders, kinds


class AE(Network, Coder):
    """An encoder to a code of a few numbers, and a decoder from it. Predictions keep within the bounds of the data,
    except those of the linear form.

    form: "dense", "convolutional" or "linear", see `dlgd.models.coders`.
    latent: numbers in the code, 1 or more; few, so that the code must hold what matters.
    width: size of the hidden layers, see `dlgd.models.coders.Style`.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    normalization: of the hidden layers, "batch", "group" or "none".
    """

    def __init__(self, *, spec: Spec, form: str, latent: int, width: int, activation: str, normalization: str) -> None:
        super().__init__()
        kinds.check_kind("ae", spec, ["field"])
        kinds.check_whole("ae", spec)
        self.style = style = coders.Style(form=form, width=width, activation=activation, normalization=normalization)
        checks.whole_number("model.latent", latent, least=1)
        self.size = latent
        self.encoder = coders.Encoder(style=style, channels=len(spec.input_channels), grid=spec.grid, outputs=latent)
        self.decoder = coders.Decoder(style=style, inputs=latent, spec=spec)

    def check(self, loss: Loss) -> None:
        """Refuse a loss of probabilities for the linear form."""
        self.style.check(loss)

    def encode(self, samples: Tensor) -> Tensor:
        """(B, C_in, Y, X) -> (B, latent)."""
        return self.encoder(samples)

    def decode(self, codes: Tensor) -> Tensor:
        """(B, latent) -> (B, C_out, Y, X)."""
        return self.decoder(codes)

    def forward(self, input: Tensor) -> Output:
        """(B, C_in, Y, X) -> (B, C_out, Y, X)."""
        return Output(self.decode(self.encode(input)))

    def coder(self) -> Coder:
        """Returns itself."""
        return self
