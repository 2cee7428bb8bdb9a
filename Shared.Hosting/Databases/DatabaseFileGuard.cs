using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>Protects requests to a process whose database is a file.</summary>
internal static class DatabaseFileGuard
{
    /// <summary>Refuses writes while a database file is no longer in its place, because they would be lost.</summary>
    public static void UseDatabaseFileGuard(this WebApplication app)
    {
        var files = app.Services.GetServices<SqliteFile>().ToArray();
        if (files is [])
            return;
        var failures = app.Services.GetRequiredService<RequestFailureHandler>();
        app.Use((context, next) =>
        {
            if (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)
                || files.Select(file => file.Problem()).FirstOrDefault(problem => problem is not null) is not { } problem)
                return next(context);
            failures.Report(problem);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        });
    }
}
