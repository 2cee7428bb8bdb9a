using System.Diagnostics;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The seat map of a large hall.</summary>
public sealed class SeatMapTests(Site site, Browser browser)
{
    private const int Seats = 60_000;

    [Fact]
    public async Task Map_OfSixtyThousandSeats_StaysSmooth()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.Page.RouteAsync("**/api/schedules/*/seats", route => route.FulfillAsync(new()
        {
            Json = new
            {
                scheduleId = 50,
                version = 1,
                seats = Enumerable.Range(1, Seats).Select(number => new
                {
                    number,
                    price = 180_000 - number / 12_000 * 25_000,
                    status = number % 7 == 0 ? "Sold" : number % 11 == 0 ? "Held" : "Available"
                })
            }
        }));
        await customer.Page.RouteAsync("**/seats/events", route => route.AbortAsync());
        var watch = Stopwatch.StartNew();
        await customer.OpenSeatsAsync(2, 50);
        await customer.LookAsync("5-seats-large");
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{watch.Elapsed}");
        Assert.InRange(await ElementsAsync(customer.Page), 1, 2_000);

        await customer.Page.Locator(".best button").Nth(3).ClickAsync();
        Assert.Equal(4, await customer.Page.Locator(".chosen li").CountAsync());
        await customer.LookAsync("5-seats-large-near");
        Assert.InRange(await ElementsAsync(customer.Page), 1, 2_000);

        // The time of the script for one step of a drag and of a zoom, near and far.
        var milliseconds = await customer.Page.EvaluateAsync<double[]>("""
            async () => {
              const frame = document.querySelector('.map-frame'), box = frame.getBoundingClientRect(), times = [];
              const step = async event => {
                const started = performance.now();
                frame.dispatchEvent(event);
                await new Promise(resolve => requestAnimationFrame(() => resolve()));
                times.push(performance.now() - started);
              };
              const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, cancelable: true };
              for (let turn = 0; turn < 40; turn++)
                await step(new WheelEvent('wheel', { deltaY: turn < 20 ? 120 : -120, ...at }));
              return times.sort((a, b) => a - b);
            }
            """);
        Assert.True(milliseconds[20] < 60, $"median {milliseconds[20]} ms, slowest {milliseconds[^1]} ms");
    }

    private static Task<int> ElementsAsync(IPage page) => page.EvaluateAsync<int>("document.querySelectorAll('.map *').length");
}
