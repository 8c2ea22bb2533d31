"""What a step must compute (src/train/step_cost.h) against what PyTorch's FlopCounterMode counts in Transformers + PEFT, row
by row, and against the attention masks of Transformers.

The reference computes more than must be: attention over whole squares of keys, q and k of every token, logits of every
token. So attention is compared over the pairs that its masks leave, and the head is asked for supervised tokens.
"""
import pytest
from model_parity import ALL_LINEAR, TOOL, marked, table_of_figures, tool, torch, transformers, with_adapter  # noqa: F401
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")

SIZES = dict(vocab_size=131, hidden_size=64, intermediate_size=112, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, head_dim=24, max_position_embeddings=256)
MODELS = {
    "llama": (transformers.LlamaConfig, dict(tie_word_embeddings=False)),
    "windows": (transformers.Qwen3Config, dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=9,
                                               max_window_layers=2)),
}
ADAPTERS = {"all-linear": dict(r=8, target_modules=ALL_LINEAR), "some": dict(r=4, target_modules=["q_proj", "down_proj"])}


def counted(tuned, example):
    """FLOPs of forward and backward, by module kind, and the pairs of query and key that the masks leave, of one row."""
    ids = torch.tensor([example["ids"]])
    rows = torch.tensor([t for t in range(len(example["ids"]) - 1) if example["supervised"][t + 1]])
    last = int(rows.max()) + 1  # what follows predicts nothing
    base = tuned.base_model.model
    masks, layers = [], base.model.layers

    def remember(module, arguments, keywords):
        masks.append(int((keywords["attention_mask"] == 0).sum()))

    hooks = [layer.self_attn.register_forward_pre_hook(remember, with_kwargs=True) for layer in layers]
    with FlopCounterMode(display=False) as layers_only:
        hidden = base.model(ids[:, :last]).last_hidden_state[0]
        hidden.sum().backward()
    for hook in hooks:
        hook.remove()
    leaf = hidden.detach()[rows].requires_grad_()
    with FlopCounterMode(display=False) as head_only:
        base.lm_head(leaf).sum().backward()
    return layers_only.get_flop_counts()["Global"], head_only.get_total_flops(), masks, last


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", MODELS)
def test_counts_of_transformers_and_peft(tmp_path, name, adapter):
    config_class, options = MODELS[name]
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config_class(**SIZES, **options), attn_implementation="eager")
    model.save_pretrained(tmp_path / "model")
    tuned = with_adapter(model, lora_alpha=8, **ADAPTERS[adapter])
    tuned.save_pretrained(tmp_path / "adapter")
    tuned.enable_input_require_grads()  # gradients reach the input of the first layer, as they reach that of any other
    examples = marked([list(range(k, k + n)) for k, n in ((0, 12), (40, 31), (80, 25))])

    heads_width = SIZES["num_attention_heads"] * SIZES["head_dim"]
    products = head = pairs = tokens = 0
    for example in examples:
        flops, of_head, masks, length = counted(tuned, example)
        assert len(masks) == SIZES["num_hidden_layers"]
        products += sum(n for op, n in flops.items() if "bmm" not in str(op))
        # Eager attention multiplies whole squares, twice forward and four times backward.
        squares = sum(n for op, n in flops.items() if "bmm" in str(op))
        assert squares == 12 * length * length * heads_width * len(masks)
        head += of_head
        pairs += sum(masks)
        tokens += length

    ours, _ = tool(tmp_path, what="cost", examples=examples, share_prefixes=False, model=tmp_path / "model",
                   adapter=tmp_path / "adapter")
    assert ours["unique_tokens"] == tokens
    assert ours["attended_keys"] == pairs
    assert ours["frozen"] + ours["adapter"] == products
    weights = sum(p.numel() for n, p in tuned.named_parameters() if "lora_" in n)
    assert ours["adapter"] == 6 * weights * tokens
    assert ours["head"] == head
    assert ours["attention"] == 14 * pairs * heads_width
    assert ours["total"] == products + head + ours["attention"]


def test_attention_that_forms_scores_again():
    """14 FLOPs for a query, key and number of a head: PyTorch's own count of attention that keeps no scores."""
    q = k = v = (1, 4, 30, 24)
    assert sdpa_flop_count(q, k, v) + sdpa_backward_flop_count(q, q, k, v) == 14 * 30 * 30 * 4 * 24
