# SCASeg with keys and values on the grid of stride 8, in place of the deepest level's, 16.
# 0.55 M parameters, 0.11 GMACs at 128x128. Switches in docs/scaseg.md; not run here.
# python tools/train.py configs/ablations/scaseg-kv8_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(decode_head=dict(kv_stride=8))
