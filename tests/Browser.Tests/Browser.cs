using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests;

/// <summary>
/// One headless browser for all tests: the program of <c>CONCERT_TEST_BROWSER</c>, or an installed Chromium. Its driver comes with the
/// package.
/// </summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Setting = "CONCERT_TEST_BROWSER";

    private static readonly string[] Names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

    private IPlaywright? _driver;
    private IBrowser? _browser;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        if (Find() is not { } program)
            return;
        // Much longer than two rounds of live refresh, because a busy machine is slow.
        Assertions.SetDefaultExpectTimeout(60_000);
        _driver = await Playwright.CreateAsync();
        _browser = await _driver.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = program,
            // The sandbox needs privileges that a test may lack, and the page is trusted.
            Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        });
    }

    /// <summary>The settings of a phone of the driver's own list.</summary>
    public BrowserNewContextOptions Device(string name)
    {
        SkipWithout();
        return _driver!.Devices[name];
    }

    /// <summary>Opens a window with its own cookies.</summary>
    public async Task<IBrowserContext> OpenAsync(BrowserNewContextOptions options)
    {
        SkipWithout();
        var window = await _browser!.NewContextAsync(options);
        window.SetDefaultTimeout(60_000);
        return window;
    }

    /// <summary>Opens a desktop window with its own cookies.</summary>
    /// <param name="site">The address of the site.</param>
    /// <param name="language">The language that the browser asks for.</param>
    /// <param name="scheme">Light or dark.</param>
    /// <param name="hasScripts">Whether pages may run scripts.</param>
    public Task<IBrowserContext> OpenAsync(
        Uri site, string language = "en-GB", ColorScheme scheme = ColorScheme.Light, bool hasScripts = true) =>
        OpenAsync(new BrowserNewContextOptions
        {
            BaseURL = site.AbsoluteUri,
            Locale = language,
            ColorScheme = scheme,
            JavaScriptEnabled = hasScripts,
            TimezoneId = "Asia/Seoul",
            ViewportSize = new ViewportSize { Width = 1360, Height = 860 }
        });

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _driver?.Dispose();
    }

    private void SkipWithout() => Assert.SkipWhen(_browser is null,
        $"No browser: {Setting} is not set, and no Chromium is installed (Debian: apt-get install {Names[0]}).");

    private static string? Find() => Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given ? given
        : Names.SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
}

/// <summary>Waits for addresses.</summary>
internal static class PageAddress
{
    /// <summary>
    /// Waits until the address of a page matches a pattern. It is polled: an event of the browser can come just before a test waits for it.
    /// </summary>
    public static Task IsAtAsync(this IPage page, string pattern) => Assertions.Expect(page).ToHaveURLAsync(new Regex(pattern));
}
