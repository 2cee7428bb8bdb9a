using ConcertSaga.Shared.Hosting.Background;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>
/// Turns off the framework's log lines that any client can trigger at will. <see cref="ClientFaultCounter"/>,
/// <see cref="RefusalCounter"/> and the outage logs report the same in few lines.
/// </summary>
internal static class QuietLogs
{
    private static readonly string[] Categories =
    [
        // Logs a stack trace for each slow, aborted or malformed body, and for each request to an unreachable service.
        "Yarp.ReverseProxy.Forwarder",
        // Logs a stack trace for each timeout.
        "Microsoft.AspNetCore.Http.Timeouts",
        // Logs a stack trace for each token while the issuer does not answer.
        "Microsoft.AspNetCore.Authentication.JwtBearer",
        // Logs each connection above the limit. The server also counts them in kestrel.rejected_connections.
        "Microsoft.AspNetCore.Server.Kestrel.Connections",
        "Microsoft.AspNetCore.Server.Kestrel.BadRequests",
        "Microsoft.AspNetCore.Server.Kestrel.Http2",
        "Microsoft.AspNetCore.Server.Kestrel.Http3"
    ];

    public static void AddQuietLogs(this WebApplicationBuilder builder)
    {
        foreach (var category in Categories)
            builder.Logging.AddFilter(category, LogLevel.Critical);
        builder.Services.AddHostedSingleton<ClientFaultCounter>();
    }
}
