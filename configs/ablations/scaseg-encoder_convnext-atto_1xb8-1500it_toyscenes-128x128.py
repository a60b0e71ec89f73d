# SCASeg with keys and values from the encoder's maps alone: no decoded maps in the context.
# 0.58 M parameters, 0.08 GMACs at 128x128. Switches in docs/scaseg.md; not run here.
# python tools/train.py configs/ablations/scaseg-encoder_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(decode_head=dict(context=dict(source='encoder')))
