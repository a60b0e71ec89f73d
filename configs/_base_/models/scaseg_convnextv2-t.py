_base_ = './scaseg_mscan-t.py'

model = dict(
    pretrained='timm/convnextv2_tiny.fcmae_ft_in1k',
    backbone=dict(_delete_=True, type='TIMMFeatures', model_name='convnextv2_tiny', drop_path_rate=0.4),
    decode_head=dict(in_channels=None, num_heads=[1, 2, 4, 8]),  # None: read from timm
)
