# SegNeXt (arXiv 2209.08575) with MSCAN-T on COCO-Stuff 164k; official recipe, see docs/segnext.md.
# 4.27 M parameters, 6.43 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-t_8xb2-80k_coco-stuff164k-512x512.py 8
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/coco_stuff164k_512x512.py',
    '../_base_/schedules/segnext_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
