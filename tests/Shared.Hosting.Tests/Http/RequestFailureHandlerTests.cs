using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Tests.Http;

/// <summary>The response and the log line of a failed handler, and the reason of a failed health check.</summary>
public sealed class RequestFailureHandlerTests : IAsyncLifetime
{
    private const string Secret = "the secret of a test, never of a product";

    private readonly RecordedLog _log = new();
    private readonly ConcurrentBag<int> _problems = [];
    private readonly TaskCompletionSource _hungUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _endedWith = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication? _app;
    private HttpClient? _client;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Configuration["Gateway:Secret"] = Secret;
        builder.AddServiceDefaults("test");
        builder.Logging.ClearProviders().AddProvider(_log);
        builder.Services.PostConfigure<ProblemDetailsOptions>(options =>
        {
            var customize = options.CustomizeProblemDetails!;
            options.CustomizeProblemDetails = context =>
            {
                customize(context);
                _problems.Add(context.ProblemDetails.Status!.Value);
            };
        });
        builder.Services.AddHealthChecks()
            .AddCheck("skew", () => HealthCheckResult.Degraded("The clock is 15 s off."))
            .AddCheck("driver", () => throw new InvalidOperationException("Host=db;Password=secret"))
            .AddCheck("fine", () => HealthCheckResult.Healthy("The secret of a healthy check."));
        _app = builder.Build();
        _app.Use(async (context, next) =>
        {
            await next(context);
            if (context.Request.Path.StartsWithSegments("/hang"))
                _endedWith.TrySetResult(context.Response.StatusCode);
        });
        _app.UseServiceDefaults();
        _app.MapGet("/fails/{kind}", IResult (string kind) => throw Failure(kind));
        _app.MapGet("/hang/{kind}", async (string kind, HttpContext context) =>
        {
            _hungUp.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            if (kind == "status")
                return Results.StatusCode(503);
            throw Failure(kind);
        });
        await _app.StartAsync();
        _client = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
        _client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
    }

    public async ValueTask DisposeAsync()
    {
        _client!.Dispose();
        await _app!.DisposeAsync();
    }

    [Theory]
    [InlineData("bug", 500, "INTERNAL_ERROR")]
    [InlineData("framework", 400, "BAD_REQUEST")]
    [InlineData("too large", 413, "PAYLOAD_TOO_LARGE")]
    [InlineData("cancelled", 503, "UNAVAILABLE")]
    [InlineData("timeout", 503, "UNAVAILABLE")]
    public async Task Failure_OfAHandler_IsAProblemWithoutItsMessage(string kind, int status, string code)
    {
        foreach (var accept in new[] { "*/*", "text/event-stream", "text/html" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/fails/{kind}");
            request.Headers.TryAddWithoutValidation("Accept", accept);
            using var response = await _client!.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

            Assert.Equal(status, (int)response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.ToString());
            Assert.Equal(code, JsonDocument.Parse(text).RootElement.GetProperty("code").GetString());
            Assert.DoesNotContain("hidden", text, StringComparison.Ordinal);
            Assert.Equal(status == 503, response.Headers.RetryAfter is not null);
        }
    }

    [Fact]
    public async Task Log_OfTransientFailures_IsOneLineAMinuteWithoutAStack()
    {
        for (var i = 0; i < 20; i++)
            await _client!.GetAsync(new Uri("/fails/timeout", UriKind.Relative), TestContext.Current.CancellationToken);
        await _client!.GetAsync(new Uri("/fails/framework", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Single(_log.Lines, line => line.Level >= LogLevel.Warning);
        Assert.DoesNotContain(_log.Lines, line => line.Exception is not null && line.Level >= LogLevel.Warning);

        await _client!.GetAsync(new Uri("/fails/bug", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Single(_log.Lines, line => line is { Level: LogLevel.Error, Exception: InvalidOperationException });
    }

    [Theory]
    [InlineData("cancelled")]
    [InlineData("timeout")]
    [InlineData("bug")]
    [InlineData("status")]
    public async Task Client_ThatHangsUp_IsNeitherAnErrorNorARefusal(string kind)
    {
        using (var hangUp = new CancellationTokenSource())
        {
            var request = _client!.GetAsync(new Uri($"/hang/{kind}", UriKind.Relative), hangUp.Token);
            await _hungUp.Task;
            await hangUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        }

        Assert.Equal(499, await _endedWith.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        Assert.Empty(_problems);
        Assert.DoesNotContain(_log.Lines, line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Health_NotHealthy_GivesAReasonWithoutADriversMessage()
    {
        using var response = await _client!.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken);
        using var report = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("Degraded", report.RootElement.GetProperty("checks").GetProperty("skew").GetString());
        var reasons = report.RootElement.GetProperty("reasons");
        Assert.Equal(2, reasons.EnumerateObject().Count());
        Assert.Equal("The clock is 15 s off.", reasons.GetProperty("skew").GetString());
        Assert.DoesNotContain("secret", reasons.GetProperty("driver").GetString(), StringComparison.OrdinalIgnoreCase);
    }

    private static Exception Failure(string kind) => kind switch
    {
        "framework" => new BadHttpRequestException("hidden words of the framework"),
        "too large" => new BadHttpRequestException("hidden words of the server", StatusCodes.Status413PayloadTooLarge),
        "cancelled" => new OperationCanceledException("hidden"),
        "timeout" => new TimeoutException("hidden"),
        _ => new InvalidOperationException("hidden")
    };

    private sealed class RecordedLog : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<(LogLevel Level, Exception? Exception)> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?,
            string> formatter) =>
            Lines.Enqueue((logLevel, exception));

        public void Dispose()
        {
        }
    }
}
