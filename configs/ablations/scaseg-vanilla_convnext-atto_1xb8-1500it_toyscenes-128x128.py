# SCASeg with ordinary multi-head cross-attention: C / h query and key channels per head, logits times (C / h)^-0.5.
# 0.61 M parameters, 0.09 GMACs at 128x128. Switches in docs/scaseg.md; not run here.
# python tools/train.py configs/ablations/scaseg-vanilla_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(decode_head=dict(block=dict(attention=dict(type='VanillaCrossAttention', qk_scale=None))))
