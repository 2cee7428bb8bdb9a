using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>Anyone can read the health at the public address, so it never repeats the message of a driver or of the bus.</summary>
public sealed class HealthReasonTests
{
    [Fact]
    public async Task Services_WithoutBrokerAndWithAFailingDriver_GiveReasonsInOurWords()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Configuration["Gateway:Secret"] = "the secret of a test, never of a product";
        builder.Configuration["Messaging:Transport"] = "RabbitMq";
        builder.Configuration["ConnectionStrings:RabbitMq"] = "amqp://mina:hush@127.0.0.1:1/shop";
        builder.AddServiceDefaults("test");
        builder.AddMessaging(_ => { });
        builder.Logging.ClearProviders();
        builder.Services.AddHealthChecks().AddCheck("driver", () => throw new InvalidOperationException("Host=db;Username=mina"));
        await using var app = builder.Build();
        app.MapHealth();
        await app.StartAsync(TestContext.Current.CancellationToken);
        var check = new ServicesHealth(app.Services.GetRequiredService<HealthCheckService>());
        // The bus reports its failure after its first attempt.
        await Eventually.TrueAsync(async () => await DescriptionAsync(app, "masstransit-bus") is { } text
            && text.Contains("127.0.0.1", StringComparison.Ordinal), TimeSpan.FromSeconds(60), "the bus reports its failure");

        var described = await check.CheckHealthAsync(new HealthCheckContext(), TestContext.Current.CancellationToken);
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        using var answer = await client.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken);
        foreach (var text in new[] { described.Description!,
            await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken) })
        {
            Assert.Contains("The message broker cannot be reached", text, StringComparison.Ordinal);
            Assert.Contains("The check fails. The log has the reason.", text, StringComparison.Ordinal);
            foreach (var word in new[] { "mina", "hush", "127.0.0.1", "Host=", "Exception", "RabbitMQ", "Broker unreachable" })
                Assert.DoesNotContain(word, text, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static async Task<string?> DescriptionAsync(WebApplication app, string check) =>
        (await app.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries[check] is var entry
            ? $"{entry.Description} {entry.Exception?.Message}" : null;
}
