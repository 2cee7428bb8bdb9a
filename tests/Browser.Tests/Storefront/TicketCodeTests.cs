using Microsoft.Playwright;
using Xunit;
using ZXing;
using ZXing.Common;
using ZXing.QrCode;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>A reader of QR codes that is not ours reads what the page draws.</summary>
public sealed class TicketCodeTests(Site site, Browser browser)
{
    [Fact]
    public async Task Code_OfAnyLength_IsReadable()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.Page.GotoAsync("/");
        foreach (var length in new[] { 1, 14, 15, 26, 60, 100, 150, 213, 300, 420, 600, 900, 1400, 2331 })
        {
            var text = string.Concat(Enumerable.Range(0, length).Select(index => (char)('!' + index * 7 % 93)));
            var rows = await customer.Page.EvaluateAsync<string[]>("""
                async text => {
                  const module = await import(document.querySelector('script[type=module]').src.replace('app.js', 'qr.js'));
                  return module.modulesOf(text).map(row => row.map(isDark => isDark ? '1' : '0').join(''));
                }
                """, text);
            Assert.Equal(text, Read(rows));
        }
    }

    /// <summary>The ticket of a reservation, as a service that issues them answers.</summary>
    [Fact]
    public async Task Ticket_WithACode_ShowsItForTheDoor()
    {
        const string Token = "eyJhbGciOiJFUzI1NiJ9.eyJyZXNlcnZhdGlvbklkIjoiMDFhMjI0ZmUifQ.c2lnbmF0dXJlLW9mLXRoZS10aWNrZXQ";
        await using var customer = await Customer.OpenAsync(site, browser, "ko", Device.Phone);
        await customer.Page.RouteAsync("**/ticket", route => route.FulfillAsync(new() { Json = new { code = Token } }));
        await customer.HoldAsync(2, 45, 2);
        await customer.ChargeAsync();
        await customer.PayButton.ClickAsync();
        await customer.Page.Locator(".qr").WaitForAsync();
        await customer.LookAsync("8-ticket-code");
        await customer.Page.EmulateMediaAsync(new() { Media = Media.Print });
        await customer.LookAsync("8-ticket-print");
        Assert.Equal(Token, Read(await ReadModulesAsync(customer.Page)));
    }

    private static Task<string[]> ReadModulesAsync(IPage page) => page.EvaluateAsync<string[]>("""
        () => {
          const code = document.querySelector('.qr'), size = code.viewBox.baseVal.width - 8;
          const rows = Array.from({ length: size }, () => new Array(size).fill('0'));
          for (const [, x, y] of code.querySelector('path').getAttribute('d').matchAll(/M(\d+) (\d+)h/g)) rows[y - 4][x - 4] = '1';
          return rows.map(row => row.join(''));
        }
        """);

    private static string? Read(string[] rows)
    {
        const int Scale = 3, Quiet = 4;
        var size = (rows.Length + 2 * Quiet) * Scale;
        var bits = new BitMatrix(size);
        for (var y = 0; y < rows.Length; y++)
        {
            for (var x = 0; x < rows.Length; x++)
            {
                if (rows[y][x] == '1')
                    bits.setRegion((x + Quiet) * Scale, (y + Quiet) * Scale, Scale, Scale);
            }
        }
        var source = new RGBLuminanceSource([.. Pixels(bits, size)], size, size, RGBLuminanceSource.BitmapFormat.Gray8);
        return new QRCodeReader().decode(new BinaryBitmap(new HybridBinarizer(source)),
            new Dictionary<DecodeHintType, object> { [DecodeHintType.TRY_HARDER] = true, [DecodeHintType.PURE_BARCODE] = true })?.Text;
    }

    private static IEnumerable<byte> Pixels(BitMatrix bits, int size)
    {
        for (var y = 0; y < size; y++)
        {
            for (var x = 0; x < size; x++)
                yield return bits[x, y] ? (byte)0 : (byte)255;
        }
    }
}
