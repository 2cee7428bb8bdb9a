using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Text;
using ConcertSaga.DataPlatform.Data;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly.CircuitBreaker;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>What became of one attempt.</summary>
/// <param name="Verdict">What it means.</param>
/// <param name="At">When it began.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="StatusCode">The answer; null where there was none.</param>
/// <param name="Reason">For the metric: the status, or what kept the answer away.</param>
/// <param name="Error">For the operator.</param>
/// <param name="RetryAfter">How long the destination asks to be left alone with it.</param>
internal sealed record Attempt(
    Verdict Verdict, DateTimeOffset At, TimeSpan Duration, int? StatusCode = null, string? Reason = null, string? Error = null, TimeSpan? RetryAfter = null);

/// <summary>Posts a delivery, signed, and says what the answer means. It decides nothing and writes nothing.</summary>
internal sealed class Sender : IDisposable
{
    // Enough of an error page to know what it is.
    private const int MostErrorBytes = 4 * 1024;

    private readonly DataPlatformOptions _options;
    private readonly Signer _signer;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    public Sender(IOptions<DataPlatformOptions> options, Signer signer, AddressPolicy addresses, Breaker breaker, TimeProvider clock)
    {
        (_options, _signer, _clock) = (options.Value, signer, clock);
        var sockets = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            // A proxy of the machine would be connected to instead, and judged instead.
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            // What we call our traces is nobody's business outside.
            ActivityHeadersPropagator = null,
            ConnectCallback = addresses.ConnectAsync,
            ConnectTimeout = _options.Timeout,
            MaxConnectionsPerServer = _options.Concurrency,
            // Where a name leads is asked again from time to time.
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 64 * 1024
        };
        _http = new HttpClient(new ResilienceHandler(breaker.Pipeline) { InnerHandler = sockets }) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Whether it is known where to, and by which secret.</summary>
    public bool IsReady => _options.Destination is not null && _signer.CanSign;

    public async Task<Attempt> SendAsync(Guid deliveryId, string payload)
    {
        var at = _clock.GetUtcNow();
        var started = Stopwatch.GetTimestamp();
        using var limit = new CancellationTokenSource(_options.Timeout, _clock);
        try
        {
            using var request = Request(deliveryId, at, payload);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            var verdict = Verdicts.Of(response.StatusCode);
            var error = verdict == Verdict.Delivered ? null : await DescribeAsync(response, limit.Token);
            return new Attempt(
                verdict, at, Stopwatch.GetElapsedTime(started), (int)response.StatusCode, ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture), error,
                verdict == Verdict.Again ? RetryAfter(response.Headers.RetryAfter) : null);
        }
        catch (BrokenCircuitException)
        {
            return new Attempt(Verdict.Unsent, at, TimeSpan.Zero);
        }
        catch (OperationCanceledException)
        {
            return Failed("timeout", string.Create(CultureInfo.InvariantCulture, $"No answer within {_options.Timeout.TotalSeconds:0.###} s."));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            var cause = exception.GetBaseException();
            return Failed(
                exception.InnerException is AddressRefusedException || cause is AddressRefusedException ? "address"
                : exception.InnerException is AuthenticationException || cause is AuthenticationException ? "tls" : "network",
                exception == cause ? exception.Message : $"{exception.Message} {cause.Message}");
        }

        Attempt Failed(string reason, string error) => new(Verdict.Again, at, Stopwatch.GetElapsedTime(started), null, reason, Short(error));
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(Guid deliveryId, DateTimeOffset at, string payload)
    {
        var body = Encoding.UTF8.GetBytes(payload);
        var timestamp = at.ToUnixTimeSeconds();
        var request = new HttpRequestMessage(HttpMethod.Post, _options.Destination)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } }
        };
        request.Headers.TryAddWithoutValidation("User-Agent", "ConcertSaga");
        request.Headers.TryAddWithoutValidation("webhook-id", deliveryId.ToString());
        request.Headers.TryAddWithoutValidation("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("webhook-signature", _signer.Sign(deliveryId, timestamp, body));
        return request;
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header)
    {
        var wait = header?.Delta ?? header?.Date - _clock.GetUtcNow();
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }

    private static async Task<string> DescribeAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = $"{(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            var bytes = new byte[MostErrorBytes];
            var length = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
            return Short(length == 0 ? status : $"{status}: {Encoding.UTF8.GetString(bytes, 0, length)}");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            // The status has decided; what else there was to read does not matter.
            return Short(status);
        }
    }

    // What others send goes into our log and table: one line of a bounded length, without characters that do something.
    private static string Short(string text)
    {
        var line = string.Concat(text.Take(DataPlatformDbContext.MostError).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c));
        return line.Trim();
    }
}
