# SCASeg without local perception.
# 0.52 M parameters, 0.08 GMACs at 128x128. Switches in docs/scaseg.md; not run here.
# python tools/train.py configs/ablations/scaseg-no-local_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(decode_head=dict(block=dict(local=None)))
