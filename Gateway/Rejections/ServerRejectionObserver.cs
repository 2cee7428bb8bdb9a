using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>
/// Answers the requests that the server rejects before any middleware runs: malformed ones, and those above the server's own limits.
/// The server raises a diagnostic event and then writes an empty response. On the event, this class composes a problem, and
/// <see cref="RejectionWriter"/> sends it instead. Under TLS the response stays empty.
/// </summary>
internal sealed class ServerRejectionObserver(IServiceProvider services) : IObserver<KeyValuePair<string, object?>>
{
    public const string Event = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value is { Key: Event, Value: IFeatureCollection features }
            && features.Get<IHttpResponseFeature>() is { HasStarted: false }
            && features.Get<RejectionWriter>() is { } writer
            && features.Get<ITlsHandshakeFeature>() is null
            // A client that disconnects leaves half a request, which is no rejection.
            && features.Get<IHttpRequestLifetimeFeature>() is not { RequestAborted.IsCancellationRequested: true })
            writer.Answer = Compose(new DefaultHttpContext(features) { RequestServices = services });
    }

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }

    private byte[] Compose(HttpContext context)
    {
        var response = context.Response;
        SecurityHeaders.Set(context);
        ApplyCorsPolicy(context);
        var problem = new ProblemDetailsContext { HttpContext = context, ProblemDetails = { Status = response.StatusCode } };
        services.GetRequiredService<IOptions<ProblemDetailsOptions>>().Value.CustomizeProblemDetails?.Invoke(problem);
        var body = JsonSerializer.SerializeToUtf8Bytes(problem.ProblemDetails, JsonSerializerOptions.Web);
        response.ContentType = "application/problem+json";
        response.ContentLength = body.Length;
        response.Headers.Connection = "close";
        // A target without a path is an authority, which is valid for CONNECT only.
        if (response.StatusCode == StatusCodes.Status405MethodNotAllowed && response.Headers.Allow.Count == 0)
            response.Headers.Allow = HttpMethods.Connect;

        var head = new StringBuilder($"HTTP/1.1 {response.StatusCode} {ReasonPhrases.GetReasonPhrase(response.StatusCode)}\r\n");
        foreach (var (name, values) in response.Headers)
            head.Append(CultureInfo.InvariantCulture, $"{name}: {values}\r\n");
        return [.. Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), .. HttpMethods.IsHead(context.Request.Method) ? [] : body];
    }

    private void ApplyCorsPolicy(HttpContext context)
    {
        var cors = services.GetService<IOptions<CorsOptions>>()?.Value;
        if (cors?.GetPolicy(cors.DefaultPolicyName) is { Origins.Count: > 0 } policy && services.GetService<ICorsService>() is { } service)
            service.ApplyResult(service.EvaluatePolicy(context, policy), context.Response);
    }
}

/// <summary>Connects the observer and the writer to the server.</summary>
internal static class ServerRejectionRegistration
{
    public static void AddServerRejections(this WebApplicationBuilder builder) =>
        builder.Services.Configure<KestrelServerOptions>(server => server.ConfigureEndpointDefaults(endpoint => endpoint.Use(Wrap)));

    public static void UseServerRejections(this WebApplication app)
    {
        var subscription = app.Services.GetRequiredService<DiagnosticListener>()
            .Subscribe(new ServerRejectionObserver(app.Services), name => name == ServerRejectionObserver.Event);
        app.Lifetime.ApplicationStopped.Register(subscription.Dispose);
    }

    private static ConnectionDelegate Wrap(ConnectionDelegate next) => connection =>
    {
        var writer = new RejectionWriter(connection.Transport.Output);
        connection.Features.Set(writer);
        connection.Transport = new Transport(connection.Transport.Input, writer);
        return next(connection);
    };

    private sealed record Transport(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
