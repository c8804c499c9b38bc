@echo off
rem Starts Diffusion Studio on Windows. The first time it makes a Python environment (.venv) beside the code; afterwards
rem it only looks whether that still fits. Without arguments the window opens; "test" runs the tests; --help lists the rest.
setlocal EnableExtensions DisableDelayedExpansion

for %%I in ("%~dp0..") do set "here=%%~fI"
set "venv=%here%\.venv"
set "python=%venv%\Scripts\python.exe"
set "stamps=%venv%\.studio"
set "log=%TEMP%\diffusion-studio-setup.log"

rem No program and no Python module of the folder the user happens to be in, nor of PYTHONPATH, is run: -I is for each
rem interpreter, the rest for what they start in turn. pip installs into the environment, whatever its settings say.
set "NoDefaultCurrentDirectoryInExePath=1"
for %%V in (PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONPLATLIBDIR) do set "%%V="
for %%V in (PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_REQUIRE_VIRTUALENV PIP_NO_DEPS PIP_DRY_RUN PIP_PYTHON PIP_EDITABLE) do set "%%V="
set "PIP_USER=0"
set "PYTHONSAFEPATH=1"

set "kind=app"
set "target=."
if /i "%~1"=="test" (
    set "kind=test"
    set "target=.[test]"
)

rem A finished set-up leaves a copy of pyproject.toml and the place it was made for; it is written last.
if not exist "%python%" goto make
if exist "%stamps%\unfinished" goto make
if not exist "%stamps%\%kind%.place" goto install
set "place="
set /p place=<"%stamps%\%kind%.place"
if /i not "%place%"=="%here%" goto make
fc /b "%here%\pyproject.toml" "%stamps%\%kind%.toml" >nul 2>&1 && goto start
goto install

:make
set "base="
for %%V in (3.13 3.12 3.11 3.10 3.14) do if not defined base (
    py -%%V -I -c "import venv" >nul 2>&1 && set "base=py -%%V"
)
if not defined base python -I -c "import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))" >nul 2>&1 && set "base=python"
if not defined base (
    echo Diffusion Studio could not be set up: it needs Python 3.10 to 3.14. Install one from python.org. 1>&2
    goto failed
)
echo Setting up Diffusion Studio in "%venv%". This is needed once and takes some minutes. 1>&2
%base% -I -m venv --clear "%venv%" >"%log%" 2>&1
if errorlevel 1 (
    echo Diffusion Studio could not be set up: making the Python environment failed. Details: "%log%" 1>&2
    goto failed
)

:install
if not exist "%stamps%" mkdir "%stamps%"
echo unfinished>"%stamps%\unfinished"
echo Installing torch, Qt and what else is needed. 1>&2
set PIP_DISABLE_PIP_VERSION_CHECK=1
pushd "%here%"
"%python%" -I -m pip install --no-input --progress-bar off -e "%target%" >"%log%" 2>&1
set "status=%errorlevel%"
popd
if not "%status%"=="0" (
    findstr /i /c:"no space left" /c:"not enough space" "%log%" >nul 2>&1 && (
        echo Diffusion Studio could not be set up: the disk is full. About 3 GB are needed in "%here%", and 1 GB in "%TEMP%". 1>&2
        goto failed
    )
    echo Diffusion Studio could not be set up: installing failed. Is there a network, and 3 GB of free disk? Details: "%log%" 1>&2
    goto failed
)
del "%stamps%\unfinished"
for %%K in (app %kind%) do copy /y "%here%\pyproject.toml" "%stamps%\%%K.toml" >nul
>"%stamps%\app.place" echo %here%
>"%stamps%\%kind%.place" echo %here%

:start
if /i "%kind%"=="test" goto test
"%python%" -I -m diffusion_studio %*
set "status=%errorlevel%"
if not "%status%"=="0" if "%~1"=="" pause
exit /b %status%

:test
set "arguments="
:collect
shift
if not "%~1"=="" (
    set "arguments=%arguments% %1"
    goto collect
)
set "QT_QPA_PLATFORM=offscreen"
pushd "%here%"
"%python%" -I -m pytest%arguments%
set "status=%errorlevel%"
popd
exit /b %status%

:failed
rem Started by a double click there would be no time to read why.
if "%~1"=="" pause
exit /b 1
