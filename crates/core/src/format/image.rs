//! Images by their pixels: `{"width": 2, "height": 1, "frames": [{"pixels": "sha256:…"}]}`.
//!
//! Every pixel counts as red, green, blue and alpha of 16 bits, so that a palette, grey or 8 bits are
//! equal to the same colours written at length. How the file is compressed, which of the formats it is
//! and everything beside the pixels (Exif, text, times, colour profiles) says nothing: the content type
//! tells the formats apart. A frame of an animation has its `delay_ms` as well.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::error::{ImageError, LimitErrorKind};
use image::{AnimationDecoder, DynamicImage, Frame, ImageDecoder, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};

use crate::document::{Builder, Document, ReadError};
use crate::isolation::Refusal;

/// Most pixels of an image, all frames together.
const MAX_PIXELS: u64 = 24 * 1024 * 1024;
/// Longest side.
const MAX_SIDE: u32 = 32 * 1024;
/// Most bytes that a decoder allocates.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// Most frames.
const MAX_FRAMES: usize = 10_000;
/// Bytes that are handed to the hash at a time.
const BUFFER: usize = 8 * 1024;

type Input<'a> = Cursor<&'a [u8]>;

struct Pixels {
    hash: [u8; 32],
    /// Milliseconds of a frame of an animation, as a fraction.
    delay: Option<(u32, u32)>,
}

/// What the first bytes say.
pub(crate) fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp];
    image::guess_format(bytes).ok().filter(|format| known.contains(format))
}

/// Decodes an image into its tree.
pub(crate) fn decode(bytes: &Bytes) -> Result<Document, Refusal> {
    let format = format_of(bytes).ok_or(Refusal::Broken)?;
    let input = || Cursor::new(&bytes[..]);
    let mut reader = ImageReader::with_format(input(), format);
    reader.limits(limits());
    let (width, height) = reader.into_dimensions().map_err(|error| refusal(&error))?;
    let area = u64::from(width) * u64::from(height);
    if area > MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(Refusal::TooLarge);
    }
    let frames = match format {
        ImageFormat::Gif => animated(with_limits(GifDecoder::new(input()))?, area)?,
        ImageFormat::WebP => webp(input(), area)?,
        ImageFormat::Png => png(input(), area)?,
        _ => still(input(), format)?,
    };
    tree(width, height, &frames).map_err(|_| Refusal::Budget)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    limits
}

fn with_limits<D: ImageDecoder>(decoder: Result<D, ImageError>) -> Result<D, Refusal> {
    let mut decoder = decoder.map_err(|error| refusal(&error))?;
    decoder.set_limits(limits()).map_err(|error| refusal(&error))?;
    Ok(decoder)
}

fn still(input: Input<'_>, format: ImageFormat) -> Result<Vec<Pixels>, Refusal> {
    let mut reader = ImageReader::with_format(input, format);
    reader.limits(limits());
    let image = reader.decode().map_err(|error| refusal(&error))?;
    Ok(vec![Pixels { hash: hash(&image), delay: None }])
}

fn webp(input: Input<'_>, area: u64) -> Result<Vec<Pixels>, Refusal> {
    let decoder = with_limits(WebPDecoder::new(input.clone()))?;
    if decoder.has_animation() { animated(decoder, area) } else { still(input, ImageFormat::WebP) }
}

fn png(input: Input<'_>, area: u64) -> Result<Vec<Pixels>, Refusal> {
    let decoder = with_limits(PngDecoder::with_limits(input.clone(), limits()))?;
    if decoder.is_apng().map_err(|error| refusal(&error))? {
        animated(decoder.apng().map_err(|error| refusal(&error))?, area)
    } else {
        still(input, ImageFormat::Png)
    }
}

/// All frames; a single one is no animation.
fn animated<'a>(decoder: impl AnimationDecoder<'a>, area: u64) -> Result<Vec<Pixels>, Refusal> {
    let mut frames = Vec::new();
    for frame in decoder.into_frames() {
        let frame: Frame = frame.map_err(|error| refusal(&error))?;
        if frames.len() >= MAX_FRAMES || (frames.len() as u64 + 1) * area > MAX_PIXELS {
            return Err(Refusal::TooLarge);
        }
        let delay = Some(frame.delay().numer_denom_ms());
        let image = DynamicImage::ImageRgba8(frame.into_buffer());
        frames.push(Pixels { hash: hash(&image), delay });
    }
    match &mut frames[..] {
        [] => return Err(Refusal::Broken),
        [only] => only.delay = None,
        _ => {}
    }
    Ok(frames)
}

/// Hashes all pixels, as 16 bits of red, green, blue and alpha.
fn hash(image: &DynamicImage) -> [u8; 32] {
    let mut samples = Samples { hash: Sha256::new(), buffer: Vec::with_capacity(BUFFER) };
    let wide = |sample: u8| u16::from(sample) * 257;
    match image {
        DynamicImage::ImageLuma8(image) => {
            image.pixels().for_each(|p| samples.grey(wide(p[0]), u16::MAX));
        }
        DynamicImage::ImageLumaA8(image) => {
            image.pixels().for_each(|p| samples.grey(wide(p[0]), wide(p[1])));
        }
        DynamicImage::ImageRgb8(image) => {
            image.pixels().for_each(|p| samples.push([wide(p[0]), wide(p[1]), wide(p[2]), u16::MAX]));
        }
        DynamicImage::ImageRgba8(image) => {
            image.pixels().for_each(|p| samples.push([wide(p[0]), wide(p[1]), wide(p[2]), wide(p[3])]));
        }
        DynamicImage::ImageLuma16(image) => image.pixels().for_each(|p| samples.grey(p[0], u16::MAX)),
        DynamicImage::ImageLumaA16(image) => image.pixels().for_each(|p| samples.grey(p[0], p[1])),
        DynamicImage::ImageRgb16(image) => {
            image.pixels().for_each(|p| samples.push([p[0], p[1], p[2], u16::MAX]));
        }
        DynamicImage::ImageRgba16(image) => image.pixels().for_each(|p| samples.push(p.0)),
        // None of the formats here decodes to anything else.
        other => other.to_rgba16().pixels().for_each(|p| samples.push(p.0)),
    }
    samples.hash.update(&samples.buffer);
    samples.hash.finalize().into()
}

struct Samples {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Samples {
    fn grey(&mut self, value: u16, alpha: u16) {
        self.push([value, value, value, alpha]);
    }

    fn push(&mut self, pixel: [u16; 4]) {
        if self.buffer.len() + 8 > BUFFER {
            self.hash.update(&self.buffer);
            self.buffer.clear();
        }
        pixel.iter().for_each(|sample| self.buffer.extend_from_slice(&sample.to_be_bytes()));
    }
}

fn tree(width: u32, height: u32, frames: &[Pixels]) -> Result<Document, ReadError> {
    let mut tree = Builder::new(MAX_FRAMES * 8);
    tree.object()?;
    tree.name("width")?;
    tree.number(&width.to_string())?;
    tree.name("height")?;
    tree.number(&height.to_string())?;
    tree.name("frames")?;
    tree.array()?;
    for frame in frames {
        tree.object()?;
        tree.name("pixels")?;
        tree.string(&super::sha256_text(&frame.hash))?;
        if let Some((numerator, denominator)) = frame.delay {
            tree.name("delay_ms")?;
            tree.number(&(numerator / denominator.max(1)).to_string())?;
        }
        tree.end();
    }
    tree.end();
    tree.end();
    Ok(tree.finish())
}

fn refusal(error: &ImageError) -> Refusal {
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::InsufficientMemory | LimitErrorKind::DimensionError => Refusal::TooLarge,
            _ => Refusal::Budget,
        },
        _ => Refusal::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Delay, GrayImage, ImageBuffer, Rgb, RgbImage, Rgba, RgbaImage};

    fn written(image: &DynamicImage, format: ImageFormat) -> Bytes {
        let mut out = Cursor::new(Vec::new());
        image.write_to(&mut out, format).unwrap();
        out.into_inner().into()
    }

    fn text(bytes: &Bytes) -> String {
        let tree = decode(bytes).unwrap();
        String::from_utf8(tree.raw(tree.root()).to_vec()).unwrap()
    }

    fn sample(seed: u8) -> RgbImage {
        ImageBuffer::from_fn(7, 5, |x, y| Rgb([x as u8 * 30, y as u8 * 50, seed]))
    }

    #[test]
    fn the_same_pixels_are_equal_in_every_lossless_form() {
        let image = DynamicImage::ImageRgb8(sample(3));
        let one = text(&written(&image, ImageFormat::Png));
        assert!(one.starts_with(r#"{"width":7,"height":5,"frames":[{"pixels":"sha256:"#), "{one}");
        assert_eq!(one, text(&written(&image, ImageFormat::Bmp)));
        assert_eq!(one, text(&written(&image, ImageFormat::WebP)));
        assert_eq!(one, text(&written(&DynamicImage::ImageRgba8(image.to_rgba8()), ImageFormat::Png)));
        assert_eq!(one, text(&written(&DynamicImage::ImageRgb16(image.to_rgb16()), ImageFormat::Png)));
        assert_ne!(one, text(&written(&DynamicImage::ImageRgb8(sample(4)), ImageFormat::Png)));
        let grey = GrayImage::from_pixel(3, 3, image::Luma([9]));
        let coloured = RgbImage::from_pixel(3, 3, Rgb([9, 9, 9]));
        assert_eq!(
            text(&written(&grey.into(), ImageFormat::Png)),
            text(&written(&coloured.into(), ImageFormat::Png))
        );
    }

    #[test]
    fn a_jpeg_is_equal_to_what_it_shows() {
        let jpeg = written(&DynamicImage::ImageRgb8(sample(3)), ImageFormat::Jpeg);
        let shown = image::load_from_memory(&jpeg).unwrap();
        assert_eq!(text(&jpeg), text(&written(&shown, ImageFormat::Png)));
    }

    fn animation(delay: u32, colours: &[u8]) -> Bytes {
        let mut out = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut out);
        for &colour in colours {
            let frame = RgbaImage::from_pixel(4, 4, Rgba([colour, 0, 0, 255]));
            encoder
                .encode_frame(Frame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(delay, 1)))
                .unwrap();
        }
        drop(encoder);
        out.into()
    }

    #[test]
    fn frames_and_their_times_count() {
        let one = text(&animation(100, &[1, 200]));
        assert_eq!(one.matches("\"delay_ms\":100").count(), 2, "{one}");
        assert_ne!(one, text(&animation(200, &[1, 200])));
        assert_ne!(one, text(&animation(100, &[1, 100])));
        assert!(!text(&animation(100, &[1])).contains("delay_ms"));
    }

    #[test]
    fn what_is_no_image_is_broken() {
        let png = written(&DynamicImage::ImageRgb8(sample(3)), ImageFormat::Png);
        for bytes in [Bytes::from_static(b"<svg/>"), png.slice(..png.len() / 2), png.slice(..20)] {
            assert_eq!(decode(&bytes).unwrap_err(), Refusal::Broken);
        }
    }

    #[test]
    fn an_image_may_not_say_that_it_is_larger_than_it_may_be() {
        let mut png = written(&DynamicImage::ImageRgb8(sample(3)), ImageFormat::Png).to_vec();
        png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        assert_eq!(decode(&png.into()).unwrap_err(), Refusal::TooLarge);
        let mut bmp = written(&DynamicImage::ImageRgb8(sample(3)), ImageFormat::Bmp).to_vec();
        bmp[18..22].copy_from_slice(&30_000_u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&30_000_u32.to_le_bytes());
        assert_eq!(decode(&bmp.into()).unwrap_err(), Refusal::TooLarge);
    }
}
