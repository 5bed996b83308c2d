//! A member's page of realistic size: 100 Items of about 11 KB, as the usual software writes them.

use std::fmt::Write as _;

pub const MEMBERS: usize = 5;
pub const ITEMS_PER_PAGE: usize = 100;
const ASSETS_PER_ITEM: usize = 20;

/// 100 Items of about 11 KB, newest first, with times that interleave with the other members'.
#[allow(dead_code, reason = "some ask for another number of Items")]
pub fn page(base: &str, member: usize) -> String {
    page_of(ITEMS_PER_PAGE, base, member)
}

/// The same with so many Items, at most 100.
pub fn page_of(items: usize, base: &str, member: usize) -> String {
    let mut text = String::from(r#"{"type":"FeatureCollection","features":["#);
    for number in 0..items {
        if number > 0 {
            text.push(',');
        }
        item(&mut text, base, member, number);
    }
    let _ = write!(
        text,
        r#"],"numberMatched":5000,"links":[{{"rel":"next","method":"GET","href":"{base}/search?token=2"}}]}}"#
    );
    text
}

fn item(text: &mut String, base: &str, member: usize, number: usize) {
    let second = (ITEMS_PER_PAGE - number) * MEMBERS + member;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let id = format!("S2A_MSIL2A_20240101T{hour:02}{minute:02}{second:02}_N0510_R{member:03}_T33UWP_{number:06}");
    let _ = write!(
        text,
        r#"{{"type":"Feature","stac_version":"1.0.0","id":"{id}","collection":"c","bbox":[14.99,47.73,16.48,48.74],"geometry":{{"type":"Polygon","coordinates":[[[14.999,48.745],[16.492,48.731],[16.4603,47.7437],[14.9997,47.7571],[14.999,48.745]]]}},"properties":{{"datetime":"2024-01-01T{hour:02}:{minute:02}:{second:02}.024Z","platform":"sentinel-2a","constellation":"sentinel-2","instruments":["msi"],"eo:cloud_cover":17.{number},"proj:epsg":32633,"s2:processing_baseline":"05.10"}},"links":[{{"rel":"self","type":"application/geo+json","href":"{base}/collections/c/items/{id}"}},{{"rel":"parent","href":"{base}/collections/c"}},{{"rel":"collection","href":"{base}/collections/c"}},{{"rel":"root","href":"{base}/"}}],"assets":{{"#
    );
    for asset in 0..ASSETS_PER_ITEM {
        if asset > 0 {
            text.push(',');
        }
        let _ = write!(
            text,
            r#""B{asset:02}_10m":{{"href":"https://data.example.org/sentinel-2/33/U/WP/2024/1/1/{id}/GRANULE/IMG_DATA/R10m/B{asset:02}.jp2","type":"image/jp2","title":"Band {asset} - 10m","roles":["data","reflectance"],"eo:bands":[{{"name":"B{asset:02}","common_name":"blue","center_wavelength":0.4966,"full_width_half_max":0.098}}],"proj:shape":[10980,10980],"proj:transform":[10,0,499980,0,-10,5400000],"raster:bands":[{{"nodata":0,"data_type":"uint16","spatial_resolution":10,"scale":0.0001,"offset":-0.1}}]}}"#
        );
    }
    text.push_str("}}");
}
